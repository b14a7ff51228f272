"""Bonds of made-up graphs: three distinct feature vectors, and which bond has which."""

from __future__ import annotations

import numpy as np

from bench.data.bond_features import bond_vectors

# Single in a chain, double with stereo, aromatic.
FEATURES = bond_vectors([(1, 0, 0, 0), (2, 1, 0, 3), (1.5, 1, 1, 0)])


def types_of(count: int) -> np.ndarray:
    """Types of so many bonds, all three alike likely; the same each time."""
    return np.random.default_rng(count).integers(0, len(FEATURES), count).astype(np.uint8)
