import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn.functional import normalize

from bench.methods.losses.gaussian_discriminant import gaussian_discriminant

DIGITS = 5e-7

X = [[1, 0, 0.2], [0.8, 0.2, 0], [0.9, -0.1, 0.1], [0.1, 1, 0], [0, 0.9, 0.3], [0.2, 0.1, 1]]
Y = torch.tensor([0, 0, 0, 1, 1, 2])
QUERIES = [[1, -2, 0.5], [0.2, 0.1, -0.3]]


def unit(rows):
    return normalize(torch.tensor(rows, dtype=torch.float64))


def logits(features, labels, queries, classes=3, covariance="pooled"):
    weights, biases = gaussian_discriminant(features, labels, classes, covariance)
    return queries @ weights.T + biases


def test_worked_numbers():
    found = logits(unit(X), Y, unit(QUERIES))
    assert found[0].tolist() == pytest.approx([-11.492007, -44.154161, -16.558815], abs=DIGITS)
    assert found[1].tolist() == pytest.approx([-12.345369, -19.644852, -34.899820], abs=DIGITS)
    _, biases = gaussian_discriminant(unit(X), Y, 3)
    assert biases.tolist() == pytest.approx([-50.408360, -21.505240, -25.823768], abs=DIGITS)
    balanced = logits(unit(X), Y, unit(QUERIES), covariance="balanced")
    assert balanced[0].tolist() == pytest.approx([-16.141742, -73.346943, -21.994387], abs=DIGITS)


POINTS = hnp.arrays(float, (9, 3), elements=st.integers(-8, 8).map(lambda n: n / 4))


@given(POINTS, st.sampled_from(["pooled", "balanced"]))
def test_it_agrees_with_loops(points, covariance):
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 2, 3])
    means = [points[labels == k].mean(axis=0) for k in range(4)]
    scatter = np.zeros((3, 3))
    for x, k in zip(points, labels, strict=True):
        share = 1 / 8 if covariance == "pooled" else 1 / (4 * (labels == k).sum())
        scatter += share * np.outer(x - means[k], x - means[k])
    if np.trace(scatter) == 0:
        precision = np.eye(3)
    else:
        precision = 3 * np.linalg.inv(8 * scatter + np.trace(scatter) * np.eye(3))
    expected = [
        [m @ precision @ x - m @ precision @ m / 2 - np.log(4) for m in means] for x in points
    ]
    points = torch.from_numpy(points)
    found = logits(points, torch.from_numpy(labels), points, 4, covariance)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@given(st.integers(0, 10_000))
def test_turning_all_changes_nothing(seed):
    draw = torch.Generator().manual_seed(seed)
    turned, _ = torch.linalg.qr(torch.randn((3, 3), generator=draw, dtype=torch.float64))
    found = logits(unit(X) @ turned, Y, unit(QUERIES) @ turned)
    torch.testing.assert_close(found, logits(unit(X), Y, unit(QUERIES)), rtol=1e-9, atol=1e-9)


def test_equal_spread_in_all_directions_is_the_nearest_mean():
    steps = torch.cat([torch.eye(2), -torch.eye(2)]).double()
    centres = torch.tensor([[0.0, 0], [3, 1], [-2, 4]], dtype=torch.float64)
    features = torch.cat([centre + steps for centre in centres])
    labels = torch.arange(3).repeat_interleave(4)
    queries = 6 * torch.rand((50, 2), generator=torch.Generator().manual_seed(0)).double() - 3
    nearest = torch.cdist(queries, centres).argmin(dim=1)
    for covariance in ("pooled", "balanced"):
        found = logits(features, labels, queries, covariance=covariance).argmax(dim=1)
        assert torch.equal(found, nearest)


def test_collapsed_classes_go_to_the_nearest_mean():
    features = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    found = logits(features, torch.tensor([0, 0, 1]), torch.eye(2).double(), 2)
    assert found.argmax(dim=1).tolist() == [0, 1]
    assert found.isfinite().all()


def test_balanced_does_not_count_samples():
    twice = torch.cat([unit(X), unit(X)[:3]]), torch.cat([Y, Y[:3]])
    scale = 8 / 5  # N - 1, by which the covariance is shrunk the less
    once, more = (gaussian_discriminant(x, y, 3, "balanced")[0] for x, y in ((unit(X), Y), twice))
    pooled = gaussian_discriminant(*twice, 3, "pooled")[0]
    # From P^-1 d = (N - 1) S + tr(S) I follows the same S in both.
    assert not torch.allclose(pooled, more)
    means = torch.stack([unit(X)[k == Y].mean(dim=0) for k in range(3)])
    inverse = [torch.linalg.solve(w, means) * 3 for w in (once, more)]
    trace = (inverse[0] - inverse[1] / scale) / (1 - 1 / scale)
    torch.testing.assert_close(trace, torch.eye(3).double() * trace[0, 0], atol=1e-8, rtol=1e-8)


def test_an_absent_class_and_one_sample_are_finite():
    weights, biases = gaussian_discriminant(torch.tensor([[1.0, 2.0]]), torch.tensor([1]), 3)
    assert weights.isfinite().all()
    assert biases[[0, 2]].tolist() == [0, 0]
