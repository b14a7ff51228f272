"""Contrast with class prototypes, of samples that are not yet where they belong."""

from __future__ import annotations

import torch
from torch import Tensor

from .ldam import cosine_similarities


def prototype_contrastive_loss(
    features: Tensor,
    labels: Tensor,
    prototypes: Tensor,
    present: Tensor,
    *,
    temperature: float,
    floor: float,
) -> Tensor:
    """Mean over anchors of ``-log(mean_P exp(s / tau) / sum_C exp(s / tau))``, ``s = (1 + cos)/2``.

    Anchors are the samples; C are the others of the batch and the prototypes, P those of the
    anchor's class among them. An anchor whose loss is not above `floor` does not count in the
    mean, so that the loss jumps as anchors drop out of it.

    Parameters
    ----------
    features : Tensor, shape (B, D)
        Of any length.
    labels : Tensor of int64, shape (B,)
    prototypes : Tensor, shape (K, D)
        One a class.
    present : Tensor of bool, shape (K,)
        Which classes have one; those of all samples do.
    temperature : float
        tau, positive.
    floor : float
        Not negative. 0: all anchors whose loss is above 0 count.

    Returns
    -------
    Tensor
        Scalar, at least in float32; 0 where no anchor counts.

    References
    ----------
    Song et al., "Supervised Prototypical Contrastive Learning for Emotion Recognition in
    Conversation", EMNLP 2022, arXiv 2210.08713.

    Examples
    --------
    A sample between two prototypes: each is as likely.

    >>> loss = prototype_contrastive_loss(
    ...     torch.tensor([[1.0, 1.0]]), torch.tensor([0]), torch.eye(2), torch.tensor([True, True]),
    ...     temperature=0.1, floor=0.3,
    ... )
    >>> round(loss.item(), 4)  # log 2
    0.6931
    """
    if features.dtype in (torch.float16, torch.bfloat16):
        features = features.float()
    anchors = len(features)
    every_class = torch.arange(len(prototypes), device=labels.device)
    classes = torch.cat([labels, every_class])
    others = torch.cat([features, prototypes.to(features.dtype)])
    logits = (1 + cosine_similarities(features, others)) / (2 * temperature)
    itself = torch.eye(anchors, len(classes), dtype=torch.bool, device=labels.device)
    there = torch.cat([torch.ones_like(labels, dtype=torch.bool), present])
    candidates = there & ~itself
    positives = (labels[:, None] == classes) & candidates
    lowest = torch.finfo(logits.dtype).min
    among, alike = (
        logits.masked_fill(~mask, lowest).logsumexp(dim=1) for mask in (candidates, positives)
    )
    losses = among - alike + positives.sum(dim=1).to(logits.dtype).log()
    counted = losses > floor
    return torch.where(counted, losses, 0.0).sum() / counted.sum().clamp_min(1)
