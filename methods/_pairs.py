"""Pairs of samples that stand side by side in the order of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor


def pair_places(
    size: int, visited: int, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Places of the pairs' first and second samples in a batch of `size`.

    An odd sample is left over. A batch of one sample is its own partner.

    Parameters
    ----------
    size : int
        B, at least 1.
    visited : int
        Samples of the epoch before this batch: where they are odd, it begins with a second one.

    Returns
    -------
    tuple of two Tensors of int64, shape (max(1, B // 2),)

    Examples
    --------
    >>> pair_places(5, visited=3)
    (tensor([1, 3]), tensor([0, 2]))
    """
    first = visited % 2
    places = torch.arange(max(1, size - size % 2), device=device)
    if size == 1:
        return places, places
    return places[first::2], places[1 - first :: 2]
