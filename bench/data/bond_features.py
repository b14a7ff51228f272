"""The 12 bond features of dgllife's ``CanonicalBondFeaturizer``.

A bond is first described by a tuple of four small integers, as atoms are in
:mod:`bench.data.atom_features`. A data set has a dozen or two distinct ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.data.atom_features import one_hot

BondProperties = tuple[int, int, int, int]

# RDKit's numbers of SINGLE, DOUBLE, TRIPLE, AROMATIC.
BOND_TYPES = (1, 2, 3, 12)
# RDKit's numbers of STEREONONE, STEREOANY, STEREOZ, STEREOE, STEREOCIS, STEREOTRANS.
STEREO = (0, 1, 2, 3, 4, 5)

NUM_BOND_FEATURES = len(BOND_TYPES) + 2 + len(STEREO)


def bond_properties(bond: Any) -> BondProperties:
    """What the features of an ``rdkit.Chem.Bond`` depend on, in the order of the features."""
    return (
        bond.GetBondType(),  # an int subclass, as stereo is
        bond.GetIsConjugated(),
        bond.IsInRing(),
        bond.GetStereo(),
    )


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
    kind, conjugated, in_ring, stereo = np.array(properties, dtype=np.int64).reshape(-1, 4).T
    blocks = (
        one_hot(kind, BOND_TYPES),
        conjugated[:, None],
        in_ring[:, None],
        one_hot(stereo, STEREO),
    )
    return np.concatenate(blocks, axis=1, dtype=np.float32, casting="unsafe")
