"""Focal loss in its softmax form, with optional class weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def softmax_focal_loss(
    logits: Tensor, target: Tensor, *, gamma: float, weights: Tensor | None = None
) -> Tensor:
    """``1/B sum_i w[y_i] (1 - p_y)^gamma CE_i``, ``p`` the softmax of the logits.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    gamma : float
        Not negative; 0 gives cross-entropy.
    weights : Tensor, shape (K,), optional
        One a class; all ones when None.

    References
    ----------
    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv 1708.02002, eq. 4-5
    (there for the sigmoid).

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]])
    >>> round(softmax_focal_loss(logits, torch.tensor([0, 2]), gamma=2.0).item(), 6)
    0.348785
    """
    losses = cross_entropy(logits, target, reduction="none")
    # 1 - p_y is -expm1(log p_y); the clamp keeps the gradient of x^gamma finite at p_y = 1.
    miss = (-torch.expm1(-losses)).clamp_min(torch.finfo(losses.dtype).tiny)
    losses = miss**gamma * losses
    if weights is not None:
        losses = losses * weights.to(losses.dtype)[target]
    return losses.mean()
