"""The order in which a data set numbers the environments of atoms, for new molecules, too.

An encoder adds up an environment's neighbours in the order of their numbers, and the last bit of a
sum depends on the order. Numbers say which environment appears first in the data set; so a model
keeps that order for its own data set, and predicts its molecules bit for bit as its run did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from bench.data.environments import EnvironmentLevel, Environments
from bench.data.packed import PackedGraphs

# Of a data set's environments, the names under which a model keeps them.
_TYPES = "atom_types"
_FIELDS = ("centres", "neighbours", "offsets")


class EnvironmentOrder:
    """How one data set numbers its environments.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        What :func:`order_of` gave.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._types = {row.tobytes(): number for number, row in enumerate(arrays[_TYPES])}
        self._levels = [
            {key: number for number, key in enumerate(_keys(level))} for level in _levels(arrays)
        ]

    def apply(self, graphs: PackedGraphs) -> PackedGraphs:
        """`graphs` with every list of neighbours in the order of the data set.

        Environments that it has not come last, in the order in which they appear in `graphs`.
        """
        environments = graphs.environments
        if environments is None:
            return graphs
        types = np.ascontiguousarray(graphs.atom_features, np.float32)
        known = np.array([self._types.get(row.tobytes(), -1) for row in types], np.int64)
        # Types are numbered by their features in every data set, so lists of them are in order.
        rank = np.arange(len(types), dtype=np.int64)
        levels = []
        for place, level in enumerate(environments.levels):
            level = replace(level, neighbours=_sorted_by(rank, level))
            levels.append(level)
            if place == len(self._levels):
                break
            numbers = self._levels[place]
            known = np.array([numbers.get(key, -1) for key in _keys(level, known)], np.int64)
            # Later than all that are known, where it is not.
            rank = np.where(known >= 0, known, len(numbers) + np.arange(len(known)))
        levels += environments.levels[len(levels) :]
        return replace(graphs, environments=Environments(tuple(levels), environments.atoms))


def order_of(graphs: PackedGraphs) -> dict[str, np.ndarray]:
    """What :class:`EnvironmentOrder` needs of a data set's graphs; empty without environments."""
    if graphs.environments is None:
        return {}
    arrays = {_TYPES: np.array(graphs.atom_features, np.float32)}
    # Nothing refers to the numbers of the last level.
    for hops, level in enumerate(graphs.environments.levels[:-1], start=1):
        for name in _FIELDS:
            arrays[f"environment_{hops}_{name}"] = np.array(getattr(level, name))
    return arrays


def _levels(arrays: Mapping[str, np.ndarray]) -> Iterator[EnvironmentLevel]:
    hops = 1
    while f"environment_{hops}_centres" in arrays:
        yield EnvironmentLevel(*(arrays[f"environment_{hops}_{name}"] for name in _FIELDS))
        hops += 1


def _keys(level: EnvironmentLevel, numbers: np.ndarray | None = None) -> Iterator[bytes]:
    """What tells each environment from the others, in `numbers` of the level below."""
    centres, neighbours = level.centres, level.neighbours
    if numbers is not None:
        centres, neighbours = numbers[centres], numbers[neighbours]
    centres, neighbours = centres.astype(np.int32), neighbours.astype(np.int32)
    ends = level.offsets.tolist()
    for row in range(len(level)):
        yield centres[row].tobytes() + np.sort(neighbours[ends[row] : ends[row + 1]]).tobytes()


def _sorted_by(rank: np.ndarray, level: EnvironmentLevel) -> np.ndarray:
    """The neighbours of each environment by rising `rank`."""
    owners = np.repeat(np.arange(len(level), dtype=np.int64), np.diff(level.offsets))
    order = np.lexsort((rank[level.neighbours], owners))
    return level.neighbours[order]
