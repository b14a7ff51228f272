"""The distinct environments of a batch's atoms, numbered within the batch.

This runs for every batch, on arrays of a few thousand numbers, where array operations cost more
by their number than by their size; so it is one compiled loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from bench.data.compiled import compiled
from bench.data.environments import Environments


@dataclass(frozen=True)
class SelectedLevel:
    """The R environments of one level in a batch, in terms of the S of the level below.

    Attributes
    ----------
    counts : ndarray of int32, shape (R,)
        How many atoms of the batch have each.
    centres, neighbours, offsets : ndarray of int32
        As in :class:`bench.data.environments.EnvironmentLevel`, in numbers of the batch.
    centre_offsets : ndarray of int32, shape (S + 1,)
        Environments of this level around s of the level below are
        ``centre_offsets[s]:centre_offsets[s + 1]``.
    users, user_offsets : ndarray of int32
        The transpose, for gradients: environments of this level that have environment s of the
        level below among their neighbours are ``users[user_offsets[s]:user_offsets[s + 1]]``.
    """

    counts: np.ndarray
    centres: np.ndarray
    centre_offsets: np.ndarray
    neighbours: np.ndarray
    offsets: np.ndarray
    users: np.ndarray
    user_offsets: np.ndarray


@dataclass(frozen=True)
class Selection:
    """The environments of the N atoms of a batch.

    Attributes
    ----------
    types : ndarray of int32, shape (S,)
        The atom types that occur; what numbers of level 0 stand for.
    levels : tuple of SelectedLevel
    rows : ndarray of int32, shape (N,)
        Environment of each atom on the last level.
    atoms : ndarray of int32, shape (N,)
        The atoms by environment: those with environment r are
        ``atoms[atom_offsets[r]:atom_offsets[r + 1]]``.
    atom_offsets : ndarray of int32, shape (R + 1,)
    """

    types: np.ndarray
    levels: tuple[SelectedLevel, ...]
    rows: np.ndarray
    atoms: np.ndarray
    atom_offsets: np.ndarray


class EnvironmentIndex:
    """Picks the environments of chosen atoms.

    Parameters
    ----------
    environments : Environments
    num_types : int
        T, the number of atom types.

    Notes
    -----
    Keeps arrays to translate numbers; threads take turns.
    """

    def __init__(self, environments: Environments, num_types: int) -> None:
        self._environments = environments
        sizes = [num_types, *map(len, environments.levels)]
        # For each environment of the data set, its number in the last batch that has it, and
        # which batch that was.
        self._places = [np.zeros(size, np.int32) for size in sizes]
        self._batches = [np.zeros(size, np.int32) for size in sizes]
        self._batch = 0
        self._turn = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_turn"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _turn=Lock())

    def select(self, atoms: np.ndarray) -> Selection:
        """The environments of `atoms`, positions in the data set, shape (N,)."""
        with self._turn:
            return self._select(atoms)

    def _select(self, atoms: np.ndarray) -> Selection:
        self._batch += 1
        levels = self._environments.levels
        chosen = self._environments.atoms[atoms]
        # Downwards which environments there are, then upwards their numbers, by centre.
        present = [_distinct(chosen, self._batches[-1], self._batch)]
        for depth in range(len(levels) - 1, -1, -1):
            centres = levels[depth].centres[present[-1]]
            present.append(_distinct(centres, self._batches[depth], self._batch))
        present.reverse()
        self._places[0][present[0]] = np.arange(len(present[0]), dtype=np.int32)
        numbered = [
            _number(
                present[depth + 1],
                level.centres,
                level.neighbours,
                level.offsets,
                len(present[depth]),
                self._places[depth],
                self._places[depth + 1],
            )
            for depth, level in enumerate(levels)
        ]
        rows = self._places[-1][chosen]
        by_row, row_offsets = _by_value(rows, len(present[-1]))
        counts = np.diff(row_offsets)
        selected: list[SelectedLevel] = []
        for level in reversed(numbered):
            selected.append(SelectedLevel(counts, *level))
            counts = np.add.reduceat(counts, selected[-1].centre_offsets[:-1])
        return Selection(present[0], tuple(selected[::-1]), rows, by_row, row_offsets)


@compiled
def _distinct(numbers: np.ndarray, batches: np.ndarray, batch: int) -> np.ndarray:
    """The distinct of `numbers`, in the order of their first appearance; int32."""
    found = np.empty(len(numbers), np.int32)
    count = 0
    for number in numbers:
        if batches[number] != batch:
            batches[number] = batch
            found[count] = number
            count += 1
    return found[:count]


@compiled
def _by_value(values: np.ndarray, num_values: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of each value, one value after the other, and where each begins; int32."""
    offsets = np.zeros(num_values + 1, np.int32)
    for value in values:
        offsets[value + 1] += 1
    for value in range(num_values):
        offsets[value + 1] += offsets[value]
    position = offsets[:-1].copy()
    order = np.empty(len(values), np.int32)
    for index in range(len(values)):
        value = values[index]
        order[position[value]] = index
        position[value] += 1
    return order, offsets


@compiled
def _number(
    present: np.ndarray,
    centres: np.ndarray,
    neighbours: np.ndarray,
    offsets: np.ndarray,
    num_below: int,
    places_below: np.ndarray,
    places: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Number the environments in `present` by centre; what :class:`SelectedLevel` holds.

    `places_below` translates the level below; `places` is filled for this one.
    """
    centre_of = np.empty(len(present), np.int32)
    for index in range(len(present)):
        centre_of[index] = places_below[centres[present[index]]]
    order, centre_offsets = _by_value(centre_of, num_below)

    new_centres = np.empty(len(order), np.int32)
    new_offsets = np.empty(len(order) + 1, np.int32)
    new_offsets[0] = 0
    for row in range(len(order)):
        environment = present[order[row]]
        places[environment] = row
        new_centres[row] = centre_of[order[row]]
        length = offsets[environment + 1] - offsets[environment]
        new_offsets[row + 1] = new_offsets[row] + length

    lists = np.empty(new_offsets[-1], np.int32)
    owners = np.empty(new_offsets[-1], np.int32)
    place = 0
    for row in range(len(order)):
        environment = present[order[row]]
        for source in range(offsets[environment], offsets[environment + 1]):
            lists[place] = places_below[neighbours[source]]
            owners[place] = row
            place += 1
    by_value, user_offsets = _by_value(lists, num_below)
    return new_centres, centre_offsets, lists, new_offsets, owners[by_value], user_offsets
