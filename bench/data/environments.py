"""Exact compression of atoms: equal surroundings are computed once.

After k rounds of message passing an atom's embedding depends on its k-hop environment alone: its
own environment of k - 1 hops and, as a multiset, those of its neighbours. That is one round of
colour refinement (Weisfeiler and Leman, 1968), and Morgan fingerprints hash the same thing. Drug
molecules share most of their small environments: the 1,049,163 atoms of `hiv` have 8,507 distinct
ones of one hop, 100,484 of two and 255,688 of three. A network whose layers see nothing but
multisets of neighbours can therefore run on environments in place of atoms, with every sum over
atoms weighted by how often an environment occurs, and its outputs and gradients are the same
(Bollen et al., "Learning Graph Neural Networks using Exact Compression", GRADES-NDA 2023,
arXiv 2304.14793).

Here environments are numbered through a whole data set, once; :mod:`bench.data.selection` picks
those of a batch. Two atoms get the same number only if their lists are equal number by number:
hashes propose the groups, and every member is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bench.data.adjacency import gather_ranges

LEVELS = 3
"""Hops up to which environments are kept: the layers of the default encoder."""

# Atoms looked at together: a few tens of megabytes of scratch space.
_CHUNK = 1 << 20


@dataclass(frozen=True)
class EnvironmentLevel:
    """The R distinct environments of k hops, in terms of the S distinct ones of k - 1 hops.

    Attributes
    ----------
    centres : ndarray of int32, shape (R,)
        The atom's own environment of k - 1 hops.
    neighbours : ndarray of int32, shape (A,)
        Environments of k - 1 hops of the atom's neighbours and itself, rising, are
        ``neighbours[offsets[r]:offsets[r + 1]]``.
    offsets : ndarray of int32, shape (R + 1,)
    """

    centres: np.ndarray
    neighbours: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.centres)


@dataclass(frozen=True)
class Environments:
    """Environments of N atoms, up to some number of hops.

    Attributes
    ----------
    levels : tuple of EnvironmentLevel
        For 1 hop, 2 hops and so on; below the first stand the atom types.
    atoms : ndarray of int32, shape (N,)
        Environment of each atom on the last level.
    """

    levels: tuple[EnvironmentLevel, ...]
    atoms: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, as the cache stores them."""
        named = {"environment_atoms": self.atoms}
        for hops, level in enumerate(self.levels, start=1):
            for name in level.__dataclass_fields__:
                named[f"environment_{hops}_{name}"] = getattr(level, name)
        return named

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Environments:
        """The inverse of :meth:`arrays`; further keys are ignored."""
        fields = EnvironmentLevel.__dataclass_fields__
        levels: list[EnvironmentLevel] = []
        while f"environment_{len(levels) + 1}_centres" in arrays:
            prefix = f"environment_{len(levels) + 1}"
            levels.append(EnvironmentLevel(**{f: arrays[f"{prefix}_{f}"] for f in fields}))
        return cls(tuple(levels), arrays["environment_atoms"])


def find_environments(
    atom_types: np.ndarray, neighbours: np.ndarray, offsets: np.ndarray, levels: int = LEVELS
) -> Environments:
    """Number the distinct environments of all atoms.

    Parameters
    ----------
    atom_types : ndarray of int, shape (N,)
        What an environment of no hops is.
    neighbours : ndarray of int, shape (A,)
        Atoms bonded to atom i, and i itself, are ``neighbours[offsets[i]:offsets[i + 1]]``.
    offsets : ndarray of int64, shape (N + 1,)
    levels : int
        Hops, at least 1.
    """
    found: list[EnvironmentLevel] = []
    atoms = atom_types
    for _ in range(levels):
        level, atoms = _refine(atoms, neighbours, offsets)
        found.append(level)
    return Environments(tuple(found), atoms)


def _refine(
    below: np.ndarray, neighbours: np.ndarray, offsets: np.ndarray
) -> tuple[EnvironmentLevel, np.ndarray]:
    """One more hop: the environments, and the environment of each atom."""
    for salt in range(8):
        level, atoms = _propose(below, neighbours, offsets, salt)
        if _is_exact(level, atoms, below, neighbours, offsets):
            return level, atoms
    raise RuntimeError("Expected hashes without collision from one salt of eight, but got none.")


def _propose(
    below: np.ndarray, neighbours: np.ndarray, offsets: np.ndarray, salt: int
) -> tuple[EnvironmentLevel, np.ndarray]:
    """Group atoms by a hash of (own number, multiset of the neighbours' numbers)."""
    numbers = np.arange(int(below.max(initial=-1)) + 1, dtype=np.uint64)
    # A sum does not see the order of neighbours, which makes it a hash of a multiset.
    in_lists, as_centre = _mixed(2 * salt, numbers), _mixed(2 * salt + 1, numbers)
    hashes = as_centre[below]
    for first, last in _chunks(len(below)):
        places = offsets[first : last + 1]
        terms = in_lists[below[neighbours[places[0] : places[-1]]]]
        hashes[first:last] += np.add.reduceat(terms, places[:-1] - places[0])
    _, example, group = np.unique(hashes, return_index=True, return_inverse=True)
    # Numbered as they first appear: what only one molecule has stands together in memory.
    order = np.argsort(example)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    example = example[order]
    lists, list_offsets = gather_ranges(offsets, example)
    return (
        EnvironmentLevel(
            centres=below[example].astype(np.int32),
            neighbours=_sorted_lists(below[neighbours[lists]], list_offsets),
            offsets=list_offsets.astype(np.int32),
        ),
        rank[group],
    )


def _is_exact(
    level: EnvironmentLevel,
    atoms: np.ndarray,
    below: np.ndarray,
    neighbours: np.ndarray,
    offsets: np.ndarray,
) -> bool:
    """Whether every atom has the centre and the neighbours of its environment."""
    for first, last in _chunks(len(below)):
        environments = atoms[first:last]
        if not np.array_equal(level.centres[environments], below[first:last]):
            return False
        places = offsets[first : last + 1]
        lists, list_offsets = gather_ranges(level.offsets, environments)
        if not np.array_equal(list_offsets, places - places[0]):
            return False
        own = _sorted_lists(below[neighbours[places[0] : places[-1]]], list_offsets)
        if not np.array_equal(level.neighbours[lists], own):
            return False
    return True


def _sorted_lists(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Each list ``values[offsets[i]:offsets[i + 1]]`` sorted; int32."""
    owners = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
    # One sort does for all lists: the owner stands in the upper half of the key.
    keys = np.sort((owners << 32) | values.astype(np.int64))
    return (keys & 0xFFFFFFFF).astype(np.int32)


def _mixed(stream: int, numbers: np.ndarray) -> np.ndarray:
    """Well-spread 64-bit values of `numbers` (splitmix64, Steele et al., OOPSLA 2014)."""
    mixed = (numbers + np.uint64(1) + np.uint64(stream << 40)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _chunks(total: int) -> Iterator[tuple[int, int]]:
    for first in range(0, total, _CHUNK):
        yield first, min(first + _CHUNK, total)
