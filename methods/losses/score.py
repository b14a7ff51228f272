"""Submodular contrast: how alike a class is to itself, and how alike to the rest of the batch."""

from __future__ import annotations

import torch
from torch import Tensor


def graph_cut_loss(features: Tensor, labels: Tensor, *, factor: float = 0.5) -> Tensor:
    """``mean_i -log(factor sum_{same} S_ij / sum_{other} S_ij)`` with ``S = (1 + cos) / 2``.

    The sums run over the other samples of the anchor's class, and over those of other classes.
    `factor` adds a constant, which has no gradient.

    Parameters
    ----------
    features : Tensor, shape (B, D)
        Of unit length, as a logarithm needs similarities that are not negative.
    labels : Tensor of int64, shape (B,)
    factor : float
        Positive.

    Returns
    -------
    Tensor
        Scalar, at least in float32. Anchors without a sample of their class, or of another, do
        not count; without any that do it is 0.

    References
    ----------
    Majee et al., "SCoRe: Submodular Combinatorial Representation Learning", ICML 2024,
    arXiv 2310.00165, graph cut.

    Examples
    --------
    >>> points = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]])
    >>> round(graph_cut_loss(points, torch.tensor([0, 0, 1, 1])).item(), 6)
    0.382719
    """
    similar = _similarities(features)
    alike = labels[:, None] == labels
    others = alike & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    counted = others.any(dim=1) & ~alike.all(dim=1)
    tiny = torch.finfo(similar.dtype).tiny
    same, rest = ((similar * mask).sum(dim=1).clamp_min(tiny) for mask in (others, ~alike))
    losses = rest.log() - (factor * same).log()
    return torch.where(counted, losses, 0.0).sum() / counted.sum().clamp_min(1)


def facility_location_loss(features: Tensor, labels: Tensor, *, factor: float = 0.5) -> Tensor:
    """``factor mean_j log sum_i exp([y_i != y_j] S_ij)`` with ``S = (1 + cos) / 2``.

    A soft maximum of how alike a sample is to one of another class. Samples of its own class,
    itself included, count as ``exp 0``.

    Parameters
    ----------
    features : Tensor, shape (B, D)
        Of unit length.
    labels : Tensor of int64, shape (B,)
    factor : float
        Not negative.

    Returns
    -------
    Tensor
        Scalar, at least in float32.

    References
    ----------
    Majee et al., "SCoRe: Submodular Combinatorial Representation Learning", ICML 2024,
    arXiv 2310.00165, facility location.

    Examples
    --------
    >>> points = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]])
    >>> round(facility_location_loss(points, torch.tensor([0, 0, 1, 1])).item(), 6)
    0.799113
    """
    unlike = labels[:, None] != labels
    return factor * (_similarities(features) * unlike).logsumexp(dim=0).mean()


def _similarities(features: Tensor) -> Tensor:
    """``(1 + cos) / 2`` of unit vectors, (B, B); rounding may not take it below 0."""
    if features.dtype in (torch.float16, torch.bfloat16):
        features = features.float()
    return ((1 + features @ features.T) / 2).clamp_min(0)
