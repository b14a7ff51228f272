"""Dropping atoms of many graphs at once, as compiled loops on the CPU.

What :mod:`.augmentations` does with some forty array operations a view, which
on the few thousand atoms of a batch cost more by their number than by their size. The draws stay
there, and the results are the same to the last bit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bench.data.batch import GraphBatch
from bench.data.compiled import compiled
from bench.data.neighbours import neighbour_lists


def in_loops(graphs: GraphBatch) -> bool:
    """Whether the functions here take `graphs`."""
    return graphs.atom_types.device.type == "cpu"


def growing_times(graphs: GraphBatch, clocks: Tensor, starts: Tensor) -> Tensor:
    """When a piece that grows from one atom of each graph reaches each atom, float64 (N,).

    An atom is reached when its clock has run since the first of its neighbours was. Atoms out of
    reach come after all others, in the order of their clocks.

    Parameters
    ----------
    graphs : GraphBatch
    clocks : Tensor of float64, shape (N,)
        Not negative.
    starts : Tensor of int64, shape (G,)
        The atom of each graph that its piece begins with.
    """
    lists = neighbour_lists(graphs.bonds.numpy(), graphs.num_atoms)
    late = clocks.sum().item()
    return torch.from_numpy(_reached(clocks.numpy(), late, starts.numpy(), *lists))


def keep_first(graphs: GraphBatch, order: Tensor, ratio: float) -> GraphBatch | None:
    """The graphs without the atoms that are not among the first, and without their bonds.

    None where two atoms tie for a last place, and who goes first is for a sort to say.

    Parameters
    ----------
    graphs : GraphBatch
    order : Tensor of float64, shape (N,)
        Not negative. The first ``n - floor(ratio n)`` atoms of each graph of n atoms stay.
    ratio : float
        In [0, 1).
    """
    sizes = graphs.atom_offsets.diff()
    counts = sizes - (ratio * sizes).long()
    offsets = graphs.atom_offsets.numpy()
    keep, clear = _are_first(order.numpy(), offsets, counts.numpy())
    if not clear:
        return None
    arrays = _without_others(
        keep,
        graphs.atom_types.numpy(),
        offsets,
        graphs.bonds.numpy(),
        graphs.bond_types.numpy(),
    )
    types, new_offsets, bonds, bond_types = map(torch.from_numpy, arrays)
    return replace(
        graphs, atom_types=types, atom_offsets=new_offsets, bonds=bonds, bond_types=bond_types
    )


@compiled
def _reached(
    clocks: np.ndarray,
    late: float,
    starts: np.ndarray,
    neighbours: np.ndarray,
    offsets: np.ndarray,
) -> np.ndarray:
    """See :func:`growing_times`; atoms out of reach are reached at `late` and their clock."""
    atoms = len(clocks)
    times, waiting = np.full(atoms, np.inf), np.zeros(atoms, np.bool_)
    # A ring: no atom waits twice, so those that wait never fill it over.
    ring = np.empty(atoms, np.int64)
    head, length = 0, len(starts)
    for graph in range(len(starts)):
        start = starts[graph]
        if start >= atoms or waiting[start]:
            raise IndexError("Expected graphs of one atom or more, but one has none.")
        ring[graph], times[start], waiting[start] = start, 0, True
    while length:
        atom = ring[head]
        head = head + 1 if head + 1 < atoms else 0
        length -= 1
        waiting[atom] = False
        for place in range(offsets[atom], offsets[atom + 1]):
            neighbour = neighbours[place]
            offer = times[atom] + clocks[neighbour]
            if offer < times[neighbour]:
                times[neighbour] = offer
                if not waiting[neighbour]:
                    waiting[neighbour] = True
                    tail = head + length
                    ring[tail if tail < atoms else tail - atoms] = neighbour
                    length += 1
    for atom in range(atoms):
        if times[atom] == np.inf:
            times[atom] = late + clocks[atom]
    return times


@compiled
def _are_first(
    order: np.ndarray, offsets: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Which atoms are among the first `counts` of their graph, and whether no two tie for that.

    Ties are judged after scaling and adding the number of the graph, as where one sort ranks the
    atoms of all graphs.
    """
    first, clear = np.empty(len(order), np.bool_), True
    scale = 1.0
    for atom in range(len(order)):
        scale = max(scale, order[atom] + 1)
    keys = np.empty(len(order))
    for graph in range(len(offsets) - 1):
        begin, end, count = offsets[graph], offsets[graph + 1], counts[graph]
        for atom in range(begin, end):
            keys[atom] = graph + order[atom] / scale
        among, kept = keys[begin:end], 0
        for atom in range(begin, end):
            # Compared with all: without branches, that takes less time than sorting.
            before, key = 0, keys[atom]
            for other in range(len(among)):
                before += among[other] < key
            first[atom] = before < count
            kept += before < count
        clear = clear and kept == count
    return first, clear


@compiled
def _without_others(
    keep: np.ndarray,
    atom_types: np.ndarray,
    offsets: np.ndarray,
    bonds: np.ndarray,
    bond_types: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Types and offsets of the atoms to `keep` alone, and bonds between them with their types."""
    new_types, places = np.empty_like(atom_types), np.empty(len(keep) + 1, np.int64)
    places[0] = 0
    for atom in range(len(keep)):
        new_types[places[atom]] = atom_types[atom]
        places[atom + 1] = places[atom] + keep[atom]
    new_offsets = np.empty_like(offsets)
    for graph in range(len(offsets)):
        new_offsets[graph] = places[offsets[graph]]
    new_bonds, new_bond_types, total = np.empty_like(bonds), np.empty_like(bond_types), 0
    for bond in range(len(bonds)):
        one, other = bonds[bond, 0], bonds[bond, 1]
        if min(one, other) < 0 or max(one, other) >= len(keep):
            raise IndexError("Expected bonds between atoms of the batch, but one leads out of it.")
        if keep[one] and keep[other]:
            new_bonds[total, 0] = places[one]
            new_bonds[total, 1] = places[other]
            new_bond_types[total] = bond_types[bond]
            total += 1
    return (
        new_types[: places[-1]].copy(),
        new_offsets,
        new_bonds[:total].copy(),
        new_bond_types[:total].copy(),
    )
