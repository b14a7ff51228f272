"""What contrasts of :mod:`bench.methods.losses` have in common, on the CPU and with its gradient.

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
    """Whether the functions here take `logits`."""
    return (
        logits.device.type == "cpu"
        and logits.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
    )


class ContrastTerms(torch.autograd.Function):
    """Loss of each of A anchors, (A,), as :func:`.losses.supcon.contrast_losses` has it.

    Inputs are logits (A, C), positives and candidates (A, C), bool, and what to take from the
    logits in the softmax (A, C), without gradient, or None. Gradients are constants: what is taken
    of them again, as by a penalty on gradients, lacks their part.
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


class AsymmetricTerms(torch.autograd.Function):
    """Terms of :func:`bench.methods.losses.asymmetric.asymmetric_focal_contrastive_loss`, (A, A).

    Inputs are logits (A, A), which pairs are alike (A, A), bool, gamma and eta. Gradients are
    constants, as above.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, alike: Tensor, gamma: float, eta: float) -> Tensor:
        lowest, tiny = torch.finfo(logits.dtype).min, torch.finfo(logits.dtype).tiny
        softmax = logits.clone().fill_diagonal_(lowest).log_softmax(dim=1)
        log_p = softmax.clone().fill_diagonal_(0.0)
        less = torch.expm1(log_p)
        rest = (-less).clamp_min_(tiny)
        powers = rest**gamma
        ctx.tensors = softmax, log_p, less, rest, powers, alike
        ctx.gamma, ctx.eta = gamma, eta
        arrays = (tensor.numpy() for tensor in (alike, powers, log_p, rest.log()))
        return torch.from_numpy(_asymmetric(logits.numpy().dtype.type(eta), *arrays))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        softmax, log_p, less, rest, powers, alike = ctx.tensors
        gamma = ctx.gamma
        slopes = gamma * rest.pow(gamma - 1) if gamma else rest
        tensors = grad.contiguous(), alike, powers, slopes, log_p, less, rest
        arrays = [tensor.numpy() for tensor in tensors]
        dtype = arrays[0].dtype
        tiny = torch.finfo(softmax.dtype).tiny
        of_log_p = torch.from_numpy(
            _asymmetric_gradients(gamma != 0, dtype.type(ctx.eta), dtype.type(tiny), *arrays)
        )
        of_logits = torch._log_softmax_backward_data(of_log_p, softmax, 1, softmax.dtype)
        return of_logits.fill_diagonal_(0.0), None, None, None


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


@compiled
def _asymmetric(
    eta: float, alike: np.ndarray, powers: np.ndarray, log_p: np.ndarray, log_rest: np.ndarray
) -> np.ndarray:
    """``-powers * log_p`` of pairs that are alike, ``-eta * log_rest`` of the others."""
    terms = np.empty_like(log_p)
    zero = log_p.dtype.type(0)
    for anchor in range(len(terms)):
        for other in range(len(terms)):
            is_alike = alike[anchor, other]
            attraction = -powers[anchor, other] * log_p[anchor, other]
            repulsion = -log_rest[anchor, other]
            terms[anchor, other] = (attraction if is_alike else zero) + eta * (
                zero if is_alike else repulsion
            )
    return terms


@compiled
def _asymmetric_gradients(
    is_focal: bool,
    eta: float,
    tiny: float,
    grad: np.ndarray,
    alike: np.ndarray,
    powers: np.ndarray,
    slopes: np.ndarray,
    log_p: np.ndarray,
    less: np.ndarray,
    rest: np.ndarray,
) -> np.ndarray:
    """Of the logarithms of p, 0 for a feature and itself; `slopes` count where it `is_focal`."""
    result = np.empty_like(log_p)
    zero, one = log_p.dtype.type(0), log_p.dtype.type(1)
    for anchor in range(len(result)):
        for other in range(len(result)):
            is_alike = alike[anchor, other]
            of_positive = grad[anchor, other] if is_alike else zero
            of_negative = zero if is_alike else grad[anchor, other] * eta
            of_power = -(of_positive * log_p[anchor, other])
            of_rest = of_power * slopes[anchor, other] if is_focal else zero
            of_rest += -of_negative / rest[anchor, other]
            of_rest = of_rest if -less[anchor, other] >= tiny else zero
            of_less = -of_rest * (less[anchor, other] + one)
            result[anchor, other] = of_positive * -powers[anchor, other] + of_less
        result[anchor, anchor] = zero
    return result
