"""Cross-entropy with one weight a class, and the two ways of averaging it."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import cross_entropy

Reduction = Literal["plain", "normalised"]


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, weights: Tensor, *, reduction: Reduction
) -> Tensor:
    """Class-weighted softmax cross-entropy of a batch.

    ``plain`` is ``1/B sum_i w[y_i] CE_i``; ``normalised`` is ``sum_i w[y_i] CE_i / sum_i w[y_i]``,
    under which rescaling all weights changes nothing and a batch of a single class is unweighted.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    weights : Tensor, shape (K,)
        Not negative; positive for every class that occurs in `target`.
    reduction : {"plain", "normalised"}
        Sources disagree on it, so callers name the one they mean.

    Returns
    -------
    Tensor
        Scalar.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]])
    >>> weights = torch.tensor([0.05, 0.25, 1.0])
    >>> loss = weighted_cross_entropy(logits, torch.tensor([0, 2]), weights, reduction="plain")
    >>> round(loss.item(), 6)
    0.648775
    """
    if reduction == "normalised":
        return cross_entropy(logits, target, weight=weights.to(logits.dtype))
    losses = cross_entropy(logits, target, reduction="none")
    return (weights.to(logits.dtype)[target] * losses).mean()
