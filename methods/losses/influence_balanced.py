"""Influence-balanced loss: samples that pull hard at the classifier count less."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def influence_balanced_loss(
    logits: Tensor,
    target: Tensor,
    features: Tensor,
    weights: Tensor,
    *,
    alpha: float,
    epsilon: float = 1e-3,
    detach: bool = False,
) -> Tensor:
    """``1/B sum_i w[y_i] f_i CE_i`` with ``f = alpha / (||p - e_y||_1 ||h||_1 + epsilon)``.

    The product of norms is the L1 norm of the gradient that a sample's cross-entropy sends to the
    weights of the linear layer ``z = W h + b``; it holds only if `features` enter that layer.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    features : Tensor, shape (B, D)
        What the linear layer made `logits` from.
    weights : Tensor, shape (K,)
        One a class.
    alpha : float
        Scale of the loss.
    epsilon : float
        Positive; bounds the factor of a sample that is already certain, or whose features are 0.
    detach : bool
        Whether the factor is a constant for the gradient. It is not in the authors' code.

    References
    ----------
    Park et al., "Influence-Balanced Loss for Imbalanced Visual Classification", ICCV 2021,
    arXiv 2110.02444, section 3.

    Examples
    --------
    Two equal logits: CE is log 2, ``||p - e_y||_1`` is 1 and ``||h||_1`` is 3.

    >>> logits, features = torch.zeros(1, 2), torch.tensor([[1.0, -2.0]])
    >>> loss = influence_balanced_loss(
    ...     logits, torch.tensor([0]), features, torch.ones(2), alpha=3.0, epsilon=1e-9
    ... )
    >>> round(loss.item(), 6)
    0.693147
    """
    losses = cross_entropy(logits, target, reduction="none")
    # ||p - e_y||_1 is 2 (1 - p_y); expm1 keeps the digits that 1 - p_y loses near p_y = 1.
    residual = -2 * torch.expm1(-losses)
    factor = alpha / (residual * features.abs().sum(dim=1) + epsilon)
    if detach:
        factor = factor.detach()
    return (weights.to(losses.dtype)[target] * factor * losses).mean()
