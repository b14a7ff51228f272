"""The 74 atom features of dgllife's ``CanonicalAtomFeaturizer``, which ImDrug uses.

An atom is first described by a tuple of eight small integers. Molecules have few distinct ones
(a few hundred in the whole HIV set), so vectors are made once a tuple, not once an atom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import methodcaller
from typing import Any

import numpy as np

AtomProperties = tuple[int, int, int, int, int, int, int, int]

# Symbols in dgllife's order with atomic numbers. An element not listed sets none of the 43 slots.
ELEMENTS = {
    "C": 6, "N": 7, "O": 8, "S": 16, "F": 9, "Si": 14, "P": 15, "Cl": 17, "Br": 35, "Mg": 12,
    "Na": 11, "Ca": 20, "Fe": 26, "As": 33, "Al": 13, "I": 53, "B": 5, "V": 23, "K": 19, "Tl": 81,
    "Yb": 70, "Sb": 51, "Sn": 50, "Ag": 47, "Pd": 46, "Co": 27, "Se": 34, "Ti": 22, "Zn": 30,
    "H": 1, "Li": 3, "Ge": 32, "Cu": 29, "Au": 79, "Ni": 28, "Cd": 48, "In": 49, "Mn": 25,
    "Zr": 40, "Cr": 24, "Pt": 78, "Hg": 80, "Pb": 82,
}  # fmt: skip

# RDKit's numbers of SP, SP2, SP3, SP3D, SP3D2.
HYBRIDISATIONS = (2, 3, 4, 6, 7)
MAX_DEGREE = 10
MAX_IMPLICIT_VALENCE = 6
MAX_HYDROGENS = 4

FEATURE_COUNT = (
    len(ELEMENTS)
    + (MAX_DEGREE + 1)
    + (MAX_IMPLICIT_VALENCE + 1)
    + 1  # formal charge
    + 1  # radical electrons
    + len(HYBRIDISATIONS)
    + 1  # aromatic
    + (MAX_HYDROGENS + 1)
)


# What the features of an `rdkit.Chem.Atom` depend on, in the order of the features.
_READ = tuple(
    map(
        methodcaller,
        (
            "GetAtomicNum",
            "GetDegree",
            "GetNumImplicitHs",  # the implicit valence
            "GetFormalCharge",
            "GetNumRadicalElectrons",
            "GetHybridization",  # an int subclass
            "GetIsAromatic",
            "GetTotalNumHs",
        ),
    )
)


def atom_properties(atom: Any) -> AtomProperties:
    """What the features of an ``rdkit.Chem.Atom`` depend on, in the order of the features."""
    return next(properties_of_atoms([atom]))


def properties_of_atoms(atoms: Sequence[Any]) -> Iterator[AtomProperties]:
    """:func:`atom_properties` of each, in less time together."""
    return zip(*(map(read, atoms) for read in _READ), strict=True)


def feature_vectors(properties: Sequence[AtomProperties]) -> np.ndarray:
    """Feature vectors of T tuples of :func:`atom_properties`.

    One-hot: 43 elements, 11 degrees (0..10), 7 implicit valences (0..6); formal charge and
    radical electrons as numbers; one-hot: 5 hybridisations (SP, SP2, SP3, SP3D, SP3D2); aromatic
    (0 or 1); one-hot: 5 total hydrogen counts (0..4). A value outside a one-hot list sets no slot.

    Returns
    -------
    ndarray of float32, shape (T, 74)

    References
    ----------
    Li et al., "DGL-LifeSci", ACS Omega 2021, arXiv:2106.14232, ``CanonicalAtomFeaturizer``.
    """
    columns = np.array(properties, dtype=np.int64).reshape(-1, 8).T
    element, degree, implicit, charge, radicals, hybridisation, aromatic, hydrogens = columns
    blocks = (
        one_hot(element, ELEMENTS.values()),
        one_hot(degree, range(MAX_DEGREE + 1)),
        one_hot(implicit, range(MAX_IMPLICIT_VALENCE + 1)),
        charge[:, None],
        radicals[:, None],
        one_hot(hybridisation, HYBRIDISATIONS),
        aromatic[:, None],
        one_hot(hydrogens, range(MAX_HYDROGENS + 1)),
    )
    return np.concatenate(blocks, axis=1, dtype=np.float32, casting="unsafe")


def one_hot(values: np.ndarray, allowed: Iterable[float]) -> np.ndarray:
    """Which of the `allowed` each of n values is, bool, (n, len(allowed))."""
    return values[:, None] == np.array(list(allowed))
