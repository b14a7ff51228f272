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
    """

    counts: np.ndarray
    centres: np.ndarray
    neighbours: np.ndarray
    offsets: np.ndarray


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
    """

    types: np.ndarray
    levels: tuple[SelectedLevel, ...]
    rows: np.ndarray


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
        # For each environment of the data set, the last batch that has it, and its number there:
        # side by side, as they are read together.
        self._places = [np.zeros((size, 2), np.int32) for size in sizes]
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
        # Downwards which environments there are, and how often, each numbered as it appears;
        # then their surroundings in numbers of the level below.
        rows, present, counts = _number(chosen, np.ones_like(chosen), self._places[-1], self._batch)
        found = [(present, counts)]
        for depth in range(len(levels) - 1, -1, -1):
            _, present, counts = _number(
                levels[depth].centres[present],
                counts,
                self._places[depth],
                self._batch,
            )
            found.append((present, counts))
        selected = []
        for (present, counts), level, places in zip(
            found[-2::-1], levels, self._places, strict=False
        ):
            lists = _translate(present, level.centres, level.neighbours, level.offsets, places)
            selected.append(SelectedLevel(counts, *lists))
        return Selection(found[-1][0], tuple(selected), rows)


@compiled
def _number(
    numbers: np.ndarray, counts: np.ndarray, places: np.ndarray, batch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the distinct of `numbers` in the order of their first appearance, in `places`.

    Returns the new number of each, the distinct ones, and the sum of their `counts`; int32.
    """
    rows = np.empty(len(numbers), np.int32)
    found = np.empty(len(numbers), np.int32)
    sums = np.zeros(len(numbers), np.int32)
    total = 0
    for index in range(len(numbers)):
        number = np.uintp(numbers[index])
        if places[number, 0] != batch:
            places[number, 0] = batch
            places[number, 1] = total
            found[total] = numbers[index]
            total += 1
        row = places[number, 1]
        rows[index] = row
        sums[np.uintp(row)] += counts[index]
    return rows, found[:total].copy(), sums[:total].copy()


@compiled
def _translate(
    present: np.ndarray,
    centres: np.ndarray,
    neighbours: np.ndarray,
    offsets: np.ndarray,
    places: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres, neighbours and offsets of those `present`, in numbers of the level below."""
    rows = len(present)
    new_centres, starts = np.empty(rows, np.int32), np.empty(rows, np.int32)
    new_offsets = np.empty(rows + 1, np.int32)
    new_offsets[0] = 0
    for row in range(rows):
        starts[row] = offsets[present[row]]
        new_offsets[row + 1] = new_offsets[row] + offsets[present[row] + 1] - starts[row]
    # No environment lists nothing. Its first neighbour is read on its own, in a loop without
    # branches, in which waiting for one row's memory does not hold up the next.
    lists = np.empty(new_offsets[-1], np.int32)
    for row in range(rows):
        new_centres[row] = places[centres[present[row]], 1]
        lists[new_offsets[row]] = places[neighbours[starts[row]], 1]
    for row in range(rows):
        source = starts[row] - new_offsets[row]
        for place in range(new_offsets[row] + 1, new_offsets[row + 1]):
            lists[place] = places[neighbours[source + place], 1]
    return new_centres, lists, new_offsets
