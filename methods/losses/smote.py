"""Synthetic samples between neighbours of one class."""

from __future__ import annotations

import torch
from torch import Tensor

# Distances held at a time.
_DISTANCES = 4_000_000


def nearest_in_class(features: Tensor, neighbours: int) -> Tensor:
    """Rows of the `neighbours` samples nearest to each, int64, (n, k'); the nearest first.

    Euclidean, of equally near ones that of lower index; a sample is none of its own. There are
    ``k' = min(neighbours, n - 1)``.

    Parameters
    ----------
    features : Tensor, shape (n, d)
        Of one class.
    neighbours : int
        k.

    References
    ----------
    Chawla et al., "SMOTE", JAIR 16 (2002), 10.1613/jair.953, section 4.2.

    Examples
    --------
    >>> nearest_in_class(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), 2)
    tensor([[1, 2],
            [0, 2],
            [0, 1],
            [2, 1]])
    """
    size = len(features)
    count = min(neighbours, size - 1)
    found = torch.empty((size, count), dtype=torch.int64, device=features.device)
    rows = max(1, _DISTANCES // size)
    for start in range(0, size, rows):
        part = features[start : start + rows]
        # By differences: products would tell equal samples apart.
        distances = torch.cdist(part, features, compute_mode="donot_use_mm_for_euclid_dist")
        own = torch.arange(len(part), device=features.device)
        distances[own, own + start] = torch.inf
        for place in range(count):
            nearest = distances.argmin(dim=1)  # the first of equals
            found[start : start + rows, place] = nearest
            distances[own, nearest] = torch.inf
    return found


def interpolated(samples: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """``x_i + u (x_j - x_i)``, (B, d), from samples and partners (B, d) and u (B,).

    Chawla et al., JAIR 16 (2002), 10.1613/jair.953, section 4.2.

    Examples
    --------
    >>> interpolated(torch.tensor([[3.0, 3.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([0.25]))
    tensor([[2.5000, 2.2500]])
    """
    return samples + shares[:, None] * (partners - samples)
