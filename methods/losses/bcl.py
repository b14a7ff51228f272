"""Balanced contrast: each class counts once among the candidates, and prototypes join in."""

from __future__ import annotations

import torch
from torch import Tensor

from .supcon import contrast_losses


def balanced_contrastive_loss(
    features: Tensor, labels: Tensor, prototypes: Tensor, *, temperature: float
) -> Tensor:
    """``mean_ip log sum_k avg_{c in k} exp(z_i . z_c / tau) - z_i . z_p / tau``.

    p runs over the positives of anchor i, averaged for each anchor first: the other features of
    its class and the class's prototype. k runs over all classes, c over a class's features in the
    batch and its prototype, without the anchor. The average stands where softmax has a sum, so a
    class repels as one, however many of it are in the batch.

    Parameters
    ----------
    features : Tensor, shape (2B, D)
        Of unit length: first views of the B samples, then the second views in the same order.
    labels : Tensor of int64, shape (B,)
    prototypes : Tensor, shape (K, D)
        Of unit length, one a class. They are candidates, not anchors.
    temperature : float
        tau, positive.

    Returns
    -------
    Tensor
        Scalar, at least in float32.

    References
    ----------
    Zhu et al., "Balanced Contrastive Learning for Long-Tailed Visual Recognition", CVPR 2022,
    arXiv 2207.09052, section 3.

    Examples
    --------
    All features and prototypes equal: each of the three classes has probability 1/3.

    >>> features, prototypes = torch.ones(4, 1), torch.ones(3, 1)
    >>> loss = balanced_contrastive_loss(
    ...     features, torch.tensor([0, 1]), prototypes, temperature=0.1
    ... )
    >>> round(loss.item(), 6)  # log 3
    1.098612
    """
    if features.dtype in (torch.float16, torch.bfloat16):
        features = features.float()
    anchors = len(features)
    every_class = torch.arange(len(prototypes), device=labels.device)
    classes = torch.cat([labels, labels, every_class])
    logits = features @ torch.cat([features, prototypes.to(features.dtype)]).T / temperature
    itself = torch.eye(anchors, len(classes), dtype=torch.bool, device=labels.device)
    alike = classes[:anchors, None] == classes
    # Of the anchor's own class one fewer is left, but never none: there is its prototype.
    # Not by bincount: a device would have to tell its length first.
    sizes = (every_class[:, None] == classes).sum(dim=1).to(logits.dtype)
    discounts = torch.where(alike, (sizes - 1).log()[classes], sizes.log()[classes])
    return contrast_losses(logits, alike & ~itself, ~itself, discounts).mean()
