"""The distinct environments of a few graphs, found by compiled loops.

For batches of edited graphs, whose environments no data set knows. The same arrays as
:func:`bench.data.environments.find_environments` and then
:meth:`bench.data.selection.EnvironmentIndex.select` of all atoms give; those are array operations
for a whole data set, which on a few thousand atoms cost more by their number than by their size.
"""

from __future__ import annotations

import numpy as np

from bench.data.compiled import compiled
from bench.data.environments import LEVELS
from bench.data.neighbours import neighbour_lists
from bench.data.selection import SelectedLevel, Selection


def refine(
    atom_types: np.ndarray, bonds: np.ndarray, num_types: int, levels: int = LEVELS
) -> Selection:
    """The distinct environments of all atoms, numbered as they first appear.

    Parameters
    ----------
    atom_types : ndarray of int64, shape (N,)
        Below `num_types`.
    bonds : ndarray of int64, shape (E, 2)
        Both ends of each bond, each bond once.
    num_types : int
        T.
    levels : int
        Hops, at least 1.

    Raises
    ------
    IndexError
        An atom has another type, or a bond an end that is no atom.
    """
    neighbours, offsets = neighbour_lists(bonds, len(atom_types))
    types, places = _distinct(atom_types, num_types)
    numbers, found = atom_types, []
    for _ in range(levels):
        numbers, *level = _one_more_hop(numbers, neighbours, offsets)
        found.append(SelectedLevel(*level))
    # Lists of the first level rise by atom type, so types get their new numbers last.
    first = found[0]
    found[0] = SelectedLevel(
        first.counts, places[first.centres], places[first.neighbours], first.offsets
    )
    return Selection(types, tuple(found), numbers)


@compiled
def _distinct(types: np.ndarray, num_types: int) -> tuple[np.ndarray, np.ndarray]:
    """The types that occur, as they first appear, and the place of each among them; int32."""
    places, distinct = np.full(num_types, -1, np.int32), np.empty(num_types, np.int32)
    total = 0
    for index in range(len(types)):
        if types[index] < 0 or types[index] >= num_types:
            raise IndexError("Expected atom types that have feature vectors, but one has none.")
        if places[types[index]] < 0:
            places[types[index]] = total
            distinct[total] = types[index]
            total += 1
    return distinct[:total].copy(), places


@compiled
def _one_more_hop(
    below: np.ndarray, neighbours: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Group atoms by their own number `below` and, as a multiset, those of their neighbours.

    Returns the new number of each atom, and counts, centres, lists and offsets of the new ones as
    :class:`bench.data.selection.SelectedLevel` has them; int32.
    """
    atoms = len(below)
    numbers, counts = np.empty(atoms, np.int32), np.zeros(atoms, np.int32)
    centres, lists = np.empty(atoms, np.int32), np.empty(len(neighbours), np.int32)
    list_offsets = np.zeros(atoms + 1, np.int32)
    # An open hash table of the new numbers, at most half full.
    bits = 1
    while (1 << bits) < 2 * atoms:
        bits += 1
    table, last_slot = np.full(1 << bits, -1, np.int32), (1 << bits) - 1
    factor, total = np.uint64(0x9E3779B97F4A7C15), 0
    for atom in range(atoms):
        # Its list is written behind those there are, and stays if it is new.
        start, length = list_offsets[total], offsets[atom + 1] - offsets[atom]
        for place in range(length):
            number = below[neighbours[offsets[atom] + place]]
            hole = start + place
            while hole > start and lists[hole - 1] > number:
                lists[hole] = lists[hole - 1]
                hole -= 1
            lists[hole] = number
        mixed = np.uint64(below[atom] + 1) * factor
        for place in range(start, start + length):
            mixed = (mixed ^ (mixed >> np.uint64(29)) ^ np.uint64(lists[place])) * factor
        slot = np.int64(mixed >> np.uint64(64 - bits))
        while True:
            found = table[slot]
            if found < 0:
                table[slot] = found = total
                centres[found] = below[atom]
                total += 1
                list_offsets[total] = start + length
                break
            known = list_offsets[found]
            same = centres[found] == below[atom] and list_offsets[found + 1] - known == length
            place = 0
            while same and place < length:
                same = lists[known + place] == lists[start + place]
                place += 1
            if same:
                break
            slot = (slot + 1) & last_slot
        numbers[atom] = found
        counts[found] += 1
    return (
        numbers,
        counts[:total].copy(),
        centres[:total].copy(),
        lists[: list_offsets[total]].copy(),
        list_offsets[: total + 1].copy(),
    )
