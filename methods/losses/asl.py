"""Asymmetric focusing: the classes that a sample is not in have an exponent of their own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

# Probabilities of the sigmoid form count as this at least.
_LEAST = 1e-8


def asymmetric_softmax_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma_positive: float,
    gamma_negative: float,
    epsilon: float,
) -> Tensor:
    """``-1/B sum_ik t_k w_k log p_k``: cross-entropy with softened, focused labels.

    ``p`` is the softmax, ``t = (1 - epsilon) e_y + epsilon / K``; ``w`` is
    ``(1 - p_y)^gamma_positive`` for the label and ``p_k^gamma_negative`` for the others, with
    gradient. With `epsilon` 0 it is the focal loss, whatever `gamma_negative` is.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    gamma_positive, gamma_negative : float
        Not negative.
    epsilon : float
        In [0, 1]; with both exponents 0 that of label smoothing.

    References
    ----------
    Ridnik et al., "Asymmetric Loss for Multi-Label Classification", ICCV 2021, arXiv 2009.14119;
    this form is in the authors' code, for samples of one label.

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]])
    >>> loss = asymmetric_softmax_loss(
    ...     logits, torch.tensor([0, 2]), gamma_positive=0.0, gamma_negative=4.0, epsilon=0.1
    ... )
    >>> round(loss.item(), 6)
    0.760963
    """
    log_p = logits.log_softmax(dim=1)
    own = one_hot(target, logits.shape[1]).bool()
    # What a power with gradient is taken of; the clamp keeps that finite at 0.
    base = torch.where(own, -log_p.expm1(), log_p.exp()).clamp_min(torch.finfo(log_p.dtype).tiny)
    weights = torch.where(own, base**gamma_positive, base**gamma_negative)
    shares = (1 - epsilon) * own.to(log_p.dtype) + epsilon / logits.shape[1]
    return -(shares * weights * log_p).sum(dim=1).mean()


def asymmetric_sigmoid_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma_positive: float,
    gamma_negative: float,
    clip: float,
) -> Tensor:
    """One sigmoid a class: ``-1/B sum_i w_y log s_y + sum_{k != y} w_k log q_k``.

    ``s`` is the sigmoid, ``q_k = min(1 - s_k + clip, 1)``; the weights
    ``w_y = (1 - s_y)^gamma_positive`` and ``w_k = (1 - q_k)^gamma_negative`` have no gradient.
    A class that is not the label, of which the sigmoid is below `clip`, does not count at all.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    gamma_positive, gamma_negative : float
        Not negative.
    clip : float
        In [0, 1). With it and both exponents at 0 the loss is the sum of K binary cross-entropies.

    References
    ----------
    Ridnik et al., "Asymmetric Loss for Multi-Label Classification", ICCV 2021, arXiv 2009.14119,
    eq. 3-7; logarithms are taken of 1e-8 at least, as in the authors' code, which adds up a batch.

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]])
    >>> loss = asymmetric_sigmoid_loss(
    ...     logits, torch.tensor([0, 2]), gamma_positive=1.0, gamma_negative=4.0, clip=0.05
    ... )
    >>> round(loss.item(), 6)
    0.351078
    """
    own = one_hot(target, logits.shape[1]).bool()
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    right = torch.where(own, logits.sigmoid(), ((-logits).sigmoid() + clip).clamp_max(1))
    miss = (1 - right).detach()
    weights = torch.where(own, miss**gamma_positive, miss**gamma_negative)
    return -(weights * right.clamp_min(_LEAST).log()).sum(dim=1).mean()
