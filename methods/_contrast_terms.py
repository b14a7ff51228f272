"""What contrasts of :mod:`bench.methods.losses` have in common, on the CPU and with its gradient.

As single operations, forward and backward, they go over the matrix of similarities some twenty
times; here loops take together what is not a logarithm, an exponential or a sum over a row. Those
are torch's, so the results are those of the single operations to the last bit. The single
operations are here, too: for what the loops do not take, and for derivatives of gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.data.compiled import compiled


class ContrastTerms(torch.autograd.Function):
    """Loss of each of A anchors, (A,), as :func:`.losses.supcon.contrast_losses` has it.

    Inputs are logits (A, C), positives and candidates (A, C), bool, and what to take from the
    logits in the softmax (A, C), without gradient, or None.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        positives: Tensor,
        candidates: Tensor,
        discounts: Tensor | None = None,
    ) -> Tensor:
        repelling = logits if discounts is None else logits - discounts
        for tensor in (logits, repelling):
            _require_masks(tensor, positives, candidates)
        masks = positives.numpy(), candidates.numpy()
        among, attracting, counts = map(
            torch.from_numpy, _masked(repelling.numpy(), logits.numpy(), *masks)
        )
        normaliser = among.logsumexp(dim=1)
        some = counts > 0
        counts.clamp_min_(1)
        attraction = attracting.sum(dim=1).div_(counts)
        kept = among, normaliser, some, counts
        ctx.save_for_backward(logits, positives, candidates, discounts, *kept)
        return torch.where(some, normaliser - attraction, 0.0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits, positives, candidates, discounts, *kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            again = contrast_terms(logits, positives, candidates, discounts)
            return _differentiable(again, logits, grad), None, None, None
        among, normaliser, some, counts = kept
        grad = torch.where(some, grad, 0.0)
        masks = positives.numpy(), candidates.numpy()
        shares = torch.sub(among, normaliser[:, None]).exp_()
        _gradients(shares.numpy(), grad.numpy(), (-grad).div_(counts).numpy(), *masks)
        return shares, None, None, None


def contrast_terms(
    logits: Tensor, positives: Tensor, candidates: Tensor, discounts: Tensor | None = None
) -> Tensor:
    """:class:`ContrastTerms` on any device, as single operations."""
    # The lowest finite number instead of -inf: a row without candidates has a gradient of 0.
    lowest = torch.finfo(logits.dtype).min
    repelling = logits if discounts is None else logits - discounts.detach()
    normaliser = repelling.masked_fill(~candidates, lowest).logsumexp(dim=1)
    counts = positives.sum(dim=1)
    attraction = (logits * positives).sum(dim=1) / counts.clamp_min(1)
    return torch.where(counts > 0, normaliser - attraction, 0.0)


class AsymmetricTerms(torch.autograd.Function):
    """Terms of :func:`bench.methods.losses.asymmetric.asymmetric_focal_contrastive_loss`, (A, A).

    Inputs are logits (A, A), which pairs are alike (A, A), bool, gamma and eta.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, alike: Tensor, gamma: float, eta: float) -> Tensor:
        _require_masks(logits, alike)
        lowest, tiny = torch.finfo(logits.dtype).min, torch.finfo(logits.dtype).tiny
        softmax = logits.clone().fill_diagonal_(lowest).log_softmax(dim=1)
        log_p = softmax.clone().fill_diagonal_(0.0)
        less = torch.expm1(log_p)
        rest = (-less).clamp_min_(tiny)
        powers = rest**gamma
        ctx.save_for_backward(logits, alike, softmax, log_p, less, rest, powers)
        ctx.gamma, ctx.eta = gamma, eta
        arrays = (tensor.numpy() for tensor in (alike, powers, log_p, rest.log()))
        return torch.from_numpy(_asymmetric(logits.numpy().dtype.type(eta), *arrays))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits, alike, *kept = ctx.saved_tensors
        gamma = ctx.gamma
        if torch.is_grad_enabled():
            again = asymmetric_terms(logits, alike, gamma, ctx.eta)
            return _differentiable(again, logits, grad), None, None, None
        softmax, log_p, less, rest, powers = kept
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


def asymmetric_terms(logits: Tensor, alike: Tensor, gamma: float, eta: float) -> Tensor:
    """:class:`AsymmetricTerms` on any device, as single operations."""
    itself = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    lowest = torch.finfo(logits.dtype).min
    log_p = logits.masked_fill(itself, lowest).log_softmax(dim=1).masked_fill(itself, 0.0)
    # 1 - p is -expm1(log p); the clamp keeps powers and logarithms finite where p is 1.
    rest = (-torch.expm1(log_p)).clamp_min(torch.finfo(logits.dtype).tiny)
    positive = torch.where(alike, -(rest**gamma) * log_p, 0.0)
    negative = torch.where(alike, 0.0, -rest.log())
    return positive + eta * negative


def _require_masks(logits: Tensor, *masks: Tensor) -> None:
    """Raise where loops would read beyond the `masks`, or take numbers for yes and no."""
    for mask in masks:
        if mask.shape != logits.shape or mask.dtype != torch.bool:
            raise ValueError(
                f"Expected masks of bool and shape {tuple(logits.shape)}, as the logits have, but "
                f"got {mask.dtype} and {tuple(mask.shape)}. Are there two features for each label?"
            )


def _differentiable(again: Tensor, logits: Tensor, grad: Tensor) -> Tensor:
    """Gradient of the logits that has gradients itself, from single operations done `again`."""
    return torch.autograd.grad(again, logits, grad, create_graph=True)[0]


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
