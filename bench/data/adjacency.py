"""Lists of lists as flat arrays, and the neighbours of atoms as such lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array


def offsets_of(counts: np.ndarray | Sequence[int]) -> np.ndarray:
    """Where lists of these lengths begin and end, laid end to end; int64, one more than lists."""
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def gather_ranges(offsets: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``offsets[n]:offsets[n + 1]`` of each number in turn, and the offsets in these."""
    starts = offsets[numbers]
    lengths = offsets[numbers + 1] - starts
    new_offsets = offsets_of(lengths)
    return np.arange(new_offsets[-1]) + np.repeat(starts - new_offsets[:-1], lengths), new_offsets


def adjacency(bonds: np.ndarray, num_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours of every atom, itself among them, as one array and offsets.

    Parameters
    ----------
    bonds : ndarray of int, shape (E, 2)
        Both ends of each bond, each bond once.
    num_atoms : int
        N.

    Returns
    -------
    neighbours : ndarray of int32, shape (2E + N,)
        Neighbours of atom i, rising, are ``neighbours[offsets[i]:offsets[i + 1]]``.
    offsets : ndarray of int32, shape (N + 1,)
    """
    loops = np.arange(num_atoms, dtype=np.int32)
    begins, ends = bonds[:, 0], bonds[:, 1]
    rows = np.concatenate([begins, ends, loops], dtype=np.int32)
    columns = np.concatenate([ends, begins, loops], dtype=np.int32)
    ones = np.ones(len(rows), np.int8)
    matrix = coo_array((ones, (rows, columns)), shape=(num_atoms, num_atoms)).tocsr()
    return matrix.indices, matrix.indptr
