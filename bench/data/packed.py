"""Molecular graphs and texts as a handful of flat arrays.

Every distinct atom feature vector is stored once and atoms refer to it by number, so a million
atoms take a few megabytes, and the arrays can be memory-mapped by any number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from bench.data.adjacency import adjacency, offsets_of
from bench.data.environments import Environments, find_environments

_ARRAYS = (
    "atom_features", "atom_types", "atom_offsets",
    "bonds", "bond_offsets", "bond_features", "bond_types",
)  # fmt: skip
# Graphs whose neighbours are looked up together.
_CHUNK = 1 << 15


@dataclass(frozen=True)
class PackedGraphs:
    """G molecular graphs: N atoms, E bonds, T and U distinct feature vectors of these.

    Attributes
    ----------
    atom_features : ndarray of float32, shape (T, D)
        The distinct atom feature vectors.
    atom_types : ndarray of int32, shape (N,)
        Row of `atom_features` for each atom.
    atom_offsets : ndarray of int64, shape (G + 1,)
        Atoms of graph g are ``atom_offsets[g]:atom_offsets[g + 1]``.
    bonds : ndarray of int32, shape (E, 2)
        Both ends of each undirected bond, counted from the first atom of its graph. Each bond
        stands once; self loops are not stored.
    bond_offsets : ndarray of int64, shape (G + 1,)
        Bonds of graph g are ``bond_offsets[g]:bond_offsets[g + 1]``.
    bond_features : ndarray of float32, shape (U, 12)
        The distinct bond feature vectors, see :mod:`bench.data.bond_features`.
    bond_types : ndarray of uint8, shape (E,)
        Row of `bond_features` for each bond.
    environments : Environments or None
        Environments of the atoms, see :meth:`with_environments`.
    """

    atom_features: np.ndarray
    atom_types: np.ndarray
    atom_offsets: np.ndarray
    bonds: np.ndarray
    bond_offsets: np.ndarray
    bond_features: np.ndarray
    bond_types: np.ndarray
    environments: Environments | None = None

    def __len__(self) -> int:
        return len(self.atom_offsets) - 1

    @property
    def feature_count(self) -> int:
        """D, the length of one atom feature vector."""
        return self.atom_features.shape[1]

    def atoms_per_graph(self) -> np.ndarray:
        """Atom counts, shape (G,)."""
        return np.diff(self.atom_offsets)

    def bonds_per_graph(self) -> np.ndarray:
        """Bond counts, shape (G,)."""
        return np.diff(self.bond_offsets)

    def adjacency(self) -> tuple[np.ndarray, np.ndarray]:
        """:func:`~bench.data.adjacency.adjacency` of all graphs laid end to end."""
        neighbours, counts = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
        for first in range(0, len(self), _CHUNK):
            last = min(first + _CHUNK, len(self))
            start, end = self.atom_offsets[first], self.atom_offsets[last]
            bond_counts = np.diff(self.bond_offsets[first : last + 1])
            shifts = np.repeat(self.atom_offsets[first:last] - start, bond_counts)
            bonds = self.bonds[self.bond_offsets[first] : self.bond_offsets[last]]
            found, offsets = adjacency(bonds + shifts[:, None], end - start)
            neighbours.append(found + np.int32(start))
            counts.append(np.diff(offsets))
        return np.concatenate(neighbours), offsets_of(np.concatenate(counts))

    def with_environments(self) -> PackedGraphs:
        """The same graphs with the environments of their atoms, by which batches compress."""
        return replace(self, environments=find_environments(self.atom_types, *self.adjacency()))

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, as the cache stores them."""
        named = {name: getattr(self, name) for name in _ARRAYS}
        return named if self.environments is None else named | self.environments.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PackedGraphs:
        """The inverse of :meth:`arrays`; further keys are ignored."""
        environments = Environments.from_arrays(arrays) if "environment_atoms" in arrays else None
        return cls(**{name: arrays[name] for name in _ARRAYS}, environments=environments)


@dataclass(frozen=True, eq=False)
class PackedTexts(Sequence[str]):
    """Texts in one array of UTF-8 bytes, decoded when asked for.

    Attributes
    ----------
    data : ndarray of uint8
        All texts end to end.
    offsets : ndarray of int64, shape (length + 1,)
        Text i is ``data[offsets[i]:offsets[i + 1]]``.
    """

    data: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> PackedTexts:
        """Pack `texts`."""
        encoded = [text.encode() for text in texts]
        return cls(
            np.frombuffer(b"".join(encoded), np.uint8),
            offsets_of([len(text) for text in encoded]),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        place = range(len(self))[place]  # negative places, and IndexError
        return self.data[self.offsets[place] : self.offsets[place + 1]].tobytes().decode()
