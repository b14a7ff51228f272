"""What contrasts of :mod:`methods.losses` have in common, on the CPU and with its gradient.

As single operations, forward and backward, they go over the matrix of similarities some twenty
times; here loops take together what is not a logarithm, an exponential or a sum over a row. Those
are torch's, so the results are those of the single operations to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.data.compiled import compiled


def takes(logits: Tensor) -> bool:
    """Whether :class:`ContrastTerms` takes `logits`."""
    return (
        logits.device.type == "cpu"
        and logits.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
    )


class ContrastTerms(torch.autograd.Function):
    """Loss of each of A anchors, (A,), as :func:`methods.losses.supcon.contrast_losses` has it.

    Inputs are logits (A, C), positives and candidates (A, C), bool, and what to take from the
    logits in the softmax (A, C), without gradient, or None. To be differentiated once.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        positives: Tensor,
        candidates: Tensor,
        discounts: Tensor | None = None,
    ) -> Tensor:
        masks = positives.numpy(), candidates.numpy()
        repelling = logits if discounts is None else logits - discounts
        among, attracting, counts = map(
            torch.from_numpy, _masked(repelling.numpy(), logits.numpy(), *masks)
        )
        normaliser = among.logsumexp(dim=1)
        some = counts > 0
        counts.clamp_min_(1)
        attraction = attracting.sum(dim=1).div_(counts)
        ctx.masks, ctx.kept = masks, (among, normaliser, some, counts)
        return torch.where(some, normaliser - attraction, 0.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        among, normaliser, some, counts = ctx.kept
        grad = torch.where(some, grad, 0.0)
        shares = torch.sub(among, normaliser[:, None]).exp_()
        _gradients(shares.numpy(), grad.numpy(), (-grad).div_(counts).numpy(), *ctx.masks)
        return shares, None, None, None


@compiled
def _masked(
    repelling: np.ndarray, logits: np.ndarray, positives: np.ndarray, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What repels if it is a candidate, else the lowest number; logits of positives, else 0.

    And the number of positives of each row.
    """
    anchors, others = logits.shape
    among, attracting = np.empty_like(logits), np.empty_like(logits)
    counts = np.empty(anchors, logits.dtype)
    one, zero = logits.dtype.type(1), logits.dtype.type(0)
    # Instead of -inf: a row without candidates has a gradient of 0.
    lowest = np.finfo(logits.dtype).min
    for anchor in range(anchors):
        row, is_candidate, out = repelling[anchor], candidates[anchor], among[anchor]
        for other in range(others):
            out[other] = row[other] if is_candidate[other] else lowest
        row, is_positive, out = logits[anchor], positives[anchor], attracting[anchor]
        total = 0
        for other in range(others):
            # Not a choice: infinity times 0 is to be seen.
            out[other] = row[other] * (one if is_positive[other] else zero)
        for other in range(others):
            total += is_positive[other]
        counts[anchor] = total
    return among, attracting, counts


@compiled
def _gradients(
    shares: np.ndarray,
    repulsion: np.ndarray,
    attraction: np.ndarray,
    positives: np.ndarray,
    candidates: np.ndarray,
) -> None:
    """Of the logits, in place of the `shares` of each in its row's sum of exponentials."""
    one, zero = shares.dtype.type(1), shares.dtype.type(0)
    for anchor in range(len(shares)):
        row, is_positive, is_candidate = shares[anchor], positives[anchor], candidates[anchor]
        push, pull = repulsion[anchor], attraction[anchor]
        for other in range(len(row)):
            pushed = push * row[other] if is_candidate[other] else zero
            row[other] = pushed + pull * (one if is_positive[other] else zero)
