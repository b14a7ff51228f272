import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bench.methods.losses import smote
from bench.methods.losses.smote import interpolated, nearest_in_class

X = torch.tensor([[0.0, 0], [1, 0], [0, 2], [3, 3]], dtype=torch.float64)


def test_worked_numbers():
    near = nearest_in_class(X, 2)
    assert near.tolist() == [[1, 2], [0, 2], [0, 1], [2, 1]]
    partner = X[near[3, 1]][None]
    assert interpolated(X[3:], partner, torch.tensor([0.25])).tolist() == [[2.5, 2.25]]


# Few values, so that many are equally near.
GRIDS = hnp.arrays(float, (12, 2), elements=st.integers(0, 3).map(float))


@given(GRIDS, st.integers(1, 14), st.integers(1, 30))
def test_neighbours_agree_with_a_stable_sort_whatever_the_size_of_parts(points, count, held):
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    expected = distances.argsort(axis=1, kind="stable")[:, : min(count, 11)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smote, "_DISTANCES", held)
        found = nearest_in_class(torch.from_numpy(points), count)
    np.testing.assert_array_equal(found, expected)


def test_one_sample_has_no_neighbour():
    assert nearest_in_class(torch.zeros(1, 3), 5).shape == (1, 0)


def test_equal_samples_are_nearest_and_at_distance_0():
    points = torch.rand(40, 256, generator=torch.Generator().manual_seed(0)) + 100
    points[30] = points[3]
    assert nearest_in_class(points, 1)[[3, 30], 0].tolist() == [30, 3]


@given(GRIDS, st.floats(0, 1))
def test_a_synthetic_sample_lies_between_its_parents(points, share):
    x, other = torch.from_numpy(points[:6]), torch.from_numpy(points[6:])
    found = interpolated(x, other, torch.full((6,), share, dtype=torch.float64))
    distance = (other - x).norm(dim=1)
    torch.testing.assert_close((found - x).norm(dim=1), share * distance)
    torch.testing.assert_close((other - found).norm(dim=1), (1 - share) * distance)
    assert torch.equal(interpolated(x, other, torch.zeros(6, dtype=torch.float64)), x)


def test_imbalanced_learn_makes_the_same_samples_of_the_same_draws():
    over_sampling = pytest.importorskip("imblearn.over_sampling")
    rng = np.random.default_rng(0)
    majority, minority = rng.normal(size=(40, 7)), rng.normal(size=(15, 7))
    features, labels = np.concatenate([majority, minority]), np.repeat([0, 1], [40, 15])
    made, of = over_sampling.SMOTE(k_neighbors=5, random_state=3).fit_resample(features, labels)
    assert (of[55:] == 1).all()
    draws = np.random.RandomState(3)
    which, shares = draws.randint(0, 15 * 5, size=25), draws.uniform(size=25)
    rows, places = np.divmod(which, 5)
    x = torch.from_numpy(minority)
    partners = x[nearest_in_class(x, 5)[rows, places]]
    expected = interpolated(x[rows], partners, torch.from_numpy(shares))
    np.testing.assert_allclose(made[55:], expected, rtol=1e-12, atol=1e-12)
