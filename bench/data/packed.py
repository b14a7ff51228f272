"""Molecular graphs as a handful of flat arrays.

Every distinct atom feature vector is stored once and atoms refer to it by number, so a million
atoms take a few megabytes, and the arrays can be memory-mapped by any number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PackedGraphs:
    """G molecular graphs with N atoms, E bonds and T distinct atom feature vectors.

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
    """

    atom_features: np.ndarray
    atom_types: np.ndarray
    atom_offsets: np.ndarray
    bonds: np.ndarray
    bond_offsets: np.ndarray

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

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, as the cache stores them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PackedGraphs:
        """The inverse of :meth:`arrays`; further keys are ignored."""
        return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
