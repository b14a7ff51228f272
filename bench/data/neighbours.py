"""The neighbours of a batch's atoms, found by a compiled loop."""

from __future__ import annotations

import numpy as np

from bench.data.compiled import compiled


@compiled
def neighbour_lists(bonds: np.ndarray, num_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours of every atom, itself first, as one array and offsets, both int64.

    Those of atom i are ``neighbours[offsets[i]:offsets[i + 1]]``, in the order of the `bonds`
    (E, 2), of which each stands once. :func:`bench.data.adjacency.adjacency` has them rising.

    Raises
    ------
    IndexError
        A bond has an end that is no atom.
    """
    offsets = np.ones(num_atoms + 1, np.int64)
    offsets[0] = 0
    for bond in range(len(bonds)):
        one, other = bonds[bond, 0], bonds[bond, 1]
        if min(one, other) < 0 or max(one, other) >= num_atoms:
            raise IndexError("Expected bonds between atoms of the batch, but one leads out of it.")
        offsets[one + 1] += 1
        offsets[other + 1] += 1
    for atom in range(num_atoms):
        offsets[atom + 1] += offsets[atom]
    neighbours, ends = np.empty(offsets[-1], np.int64), offsets[:-1].copy()
    for atom in range(num_atoms):
        neighbours[ends[atom]] = atom
        ends[atom] += 1
    for bond in range(len(bonds)):
        one, other = bonds[bond, 0], bonds[bond, 1]
        neighbours[ends[one]] = other
        neighbours[ends[other]] = one
        ends[one] += 1
        ends[other] += 1
    return neighbours, offsets
