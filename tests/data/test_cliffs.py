"""Activity cliffs, against a plain count of all pairs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data import cliffs
from bench.data.cliffs import NEAR, activity_cliffs


def fingerprints(rows):
    """Fingerprints of 2,048 bits of which these are set."""
    bits = np.zeros((len(rows), 2048), np.uint8)
    for row, places in enumerate(rows):
        bits[row, list(places)] = 1
    return np.packbits(bits, axis=1).view(np.uint64)


def test_four_molecules_by_hand():
    """Nine of ten bits in common are 0.9, which is near; nine of eleven are not."""
    ten, nine = set(range(0, 2000, 200)), set(range(0, 1800, 200))
    bits = fingerprints([ten, nine, nine | {7}, ten])
    found = activity_cliffs(bits, np.array([0, 1, 0, 1]), np.arange(4))
    # Near are 0 1, 0 3, 1 2 and 1 3.
    assert (found.molecules, found.near, found.pairs, found.in_pairs) == (4, 4, 3, 4)
    assert found.examples == ((0, 3, 1.0), (0, 1, NEAR))


def test_equal_molecules_count_once_and_those_of_two_labels_not_at_all(monkeypatch):
    bits = fingerprints([{1, 2}] * 6)
    found = activity_cliffs(bits, np.array([0, 0, 1, 0, 1, 1]), np.array([4, 4, 5, 6, 6, 7]))
    assert (found.molecules, found.near, found.pairs, found.in_pairs) == (3, 3, 2, 3)
    assert found.examples[0] == (0, 2, 1.0)
    monkeypatch.setattr(cliffs, "MOST", 2)
    assert activity_cliffs(bits, np.zeros(6, np.int64), np.arange(6)) is None


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(0, 40))
def test_the_counts_are_those_of_all_pairs(seed, size):
    rng = np.random.default_rng(seed)
    basis = [set(rng.choice(2048, 30, replace=False).tolist()) for _ in range(3)]
    rows = [
        basis[rng.integers(3)] ^ set(rng.integers(0, 2048, rng.integers(0, 4)).tolist())
        for _ in range(size)
    ]
    labels = rng.integers(0, 3, size)
    near = [
        (one, other)
        for one, other in combinations(range(size), 2)
        if len(rows[one] & rows[other]) / len(rows[one] | rows[other]) >= NEAR
    ]
    different = [pair for pair in near if labels[pair[0]] != labels[pair[1]]]
    found = activity_cliffs(fingerprints(rows), labels, np.arange(size))
    assert (found.near, found.pairs) == (len(near), len(different))
    assert found.in_pairs == len({place for pair in different for place in pair})
    assert len(found.examples) <= 3
    assert bool(found.examples) == bool(different)
    for one, other, similarity in found.examples:
        assert (one, other) in different
        common = len(rows[one] & rows[other]) / len(rows[one] | rows[other])
        assert similarity == pytest.approx(common, abs=1e-12)


def test_progress_is_told_and_other_blocks_change_nothing(monkeypatch):
    bits = fingerprints([{1, 2}] * 5)
    told = []
    monkeypatch.setattr(cliffs, "_BLOCK", 2)
    found = activity_cliffs(
        bits, np.arange(5), np.arange(5), on_progress=lambda done, of: told.append((done, of))
    )
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert found.pairs == 10
