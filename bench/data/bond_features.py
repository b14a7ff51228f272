"""The 12 bond features of dgllife's ``CanonicalBondFeaturizer``.

A bond is first described by a tuple of four numbers, as an atom is in
:mod:`bench.data.atom_features`. A data set has a dozen distinct ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import methodcaller
from typing import Any

import numpy as np

from bench.data.atom_features import one_hot

BondProperties = tuple[float, int, int, int]
"""Order, conjugated, in a ring, RDKit's number of its stereo."""

# Single, double, triple, aromatic: their order, and RDKit's numbers of their types.
ORDERS = (1.0, 2.0, 3.0, 1.5)
_ORDER_OF_TYPE = dict(zip((1, 2, 3, 12), ORDERS, strict=True))
# RDKit's numbers of STEREONONE, STEREOANY, STEREOZ, STEREOE, STEREOCIS, STEREOTRANS.
STEREO = (0, 1, 2, 3, 4, 5)

NUM_BOND_FEATURES = len(ORDERS) + 2 + len(STEREO)

# H, B, C, N, O, F, Si, P, S, Cl, Se, Br, I.
_NO_METALS = frozenset((1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53))

_type, _stereo = methodcaller("GetBondType"), methodcaller("GetStereo")
_order, _conjugated = methodcaller("GetBondTypeAsDouble"), methodcaller("GetIsConjugated")
_in_ring = methodcaller("IsInRing")


def has_plain_bonds(smiles: str, elements: Iterable[int]) -> bool:
    """Whether the order of a bond says its type, and no bond but a double one has stereo.

    A dative bond has order 1, too. RDKit makes one where the SMILES says so, and with metals.

    Parameters
    ----------
    smiles : str
        What the molecule was read from.
    elements : iterable of int
        Atomic numbers of its atoms.
    """
    return ">" not in smiles and "<" not in smiles and _NO_METALS.issuperset(elements)


def bond_properties(bonds: Sequence[Any], *, plain: bool) -> Iterator[BondProperties]:
    """What the features of each ``rdkit.Chem.Bond`` depend on, in the order of the features.

    Of another type than the four the order is 0.

    Parameters
    ----------
    bonds : sequence of rdkit.Chem.Bond
        Of one molecule.
    plain : bool
        What :func:`has_plain_bonds` says of it. The result is the same without; RDKit makes an
        object of every type and stereo, which takes as long as all the rest.
    """
    orders: list[float]
    stereo: Iterable[int]
    if plain:
        orders = [*map(_order, bonds)]
        pairs = zip(bonds, orders, strict=True)
        stereo = [bond.GetStereo() if order == 2 else 0 for bond, order in pairs]
    else:
        orders = [_ORDER_OF_TYPE.get(kind, 0.0) for kind in map(_type, bonds)]
        stereo = map(_stereo, bonds)
    return zip(orders, map(_conjugated, bonds), map(_in_ring, bonds), stereo, strict=True)


def bond_vectors(properties: Sequence[BondProperties]) -> np.ndarray:
    """Feature vectors of U tuples of :func:`bond_properties`.

    One-hot: 4 types (single, double, triple, aromatic); conjugated, in a ring (0 or 1); one-hot:
    6 kinds of stereo (none, any, Z, E, cis, trans). A value outside a one-hot list, such as a
    dative bond, sets no slot.

    Returns
    -------
    ndarray of float32, shape (U, 12)

    References
    ----------
    Li et al., "DGL-LifeSci", ACS Omega 2021, arXiv:2106.14232, ``CanonicalBondFeaturizer``.
    """
    columns = np.array(properties, dtype=np.float64).reshape(-1, 4).T
    order, conjugated, in_ring, stereo = columns
    blocks = (
        one_hot(order, ORDERS),
        conjugated[:, None],
        in_ring[:, None],
        one_hot(stereo, STEREO),
    )
    return np.concatenate(blocks, axis=1, dtype=np.float32, casting="unsafe")
