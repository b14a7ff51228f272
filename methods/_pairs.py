"""Pairs of samples that stand side by side in the order of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor


def pair_places(
    size: int, visited: int, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Places of the first and second samples of those pairs that are whole in a batch of `size`.

    A sample whose partner is in another batch is left out. In a batch without a whole pair, the
    first sample is its own partner.

    Parameters
    ----------
    size : int
        B, at least 1.
    visited : int
        Samples of the epoch before this batch: where they are odd, it begins with a second one.

    Returns
    -------
    tuple of two Tensors of int64, shape (P,)

    Examples
    --------
    >>> pair_places(5, visited=3)
    (tensor([1, 3]), tensor([2, 4]))
    """
    begin = visited % 2
    pairs = (size - begin) // 2
    if pairs == 0:
        alone = torch.zeros(1, dtype=torch.int64, device=device)
        return alone, alone
    places = torch.arange(begin, begin + 2 * pairs, device=device)
    return places[::2], places[1::2]
