"""SelMix's gains by the numbers of the definition, by finite differences, and at limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.losses.selmix import (
    mixing_gains,
    pair_shares,
    recall_slopes,
    row_normalised_confusion,
)

DIGITS = 5e-7
ALL = torch.ones(3, dtype=torch.bool)


def tensor(rows):
    return torch.tensor(rows, dtype=torch.float64)


RECALLS = tensor([[0.95, 0.04, 0.01], [0.3, 0.6, 0.1], [0.5, 0.3, 0.2]])
WEIGHT = tensor([[1, -0.5, 0.2], [0.3, 0.4, -0.6], [-0.2, 0.1, 0.5]])
BIAS = tensor([0.1, 0, -0.1])
MEANS = tensor([[1, -2, 0.5], [0.5, 0.5, -1], [0.2, 0.1, -0.3]])


def gains(recalls=RECALLS, least=0.6):
    return mixing_gains(recall_slopes(recalls), MEANS, WEIGHT, BIAS, least=least)


def test_worked_slopes():
    found = recall_slopes(RECALLS)
    assert found[0].tolist() == pytest.approx([0.015833, -0.012667, -0.003167], abs=DIGITS)
    assert found.sum(dim=1).tolist() == pytest.approx([0, 0, 0], abs=1e-15)


def test_worked_gains_and_shares():
    expected = [
        [0.024383, 0.025655, 0.028752],
        [0.068107, 0.082000, 0.076658],
        [-0.002409, -0.006465, -0.002420],
    ]
    assert gains().numpy() == pytest.approx(np.array(expected), abs=DIGITS)
    shares = pair_shares(gains(), ALL, temperature=0.1)
    assert shares[0].tolist() == pytest.approx([0.123888, 0.125475, 0.129422], abs=DIGITS)
    assert shares[1].tolist() == pytest.approx([0.191832, 0.220425, 0.208958], abs=DIGITS)
    assert shares[2].tolist() == [0, 0, 0]


def test_gains_are_the_slope_of_mean_recall_along_a_step():
    """Logits of class means move with W; recall is softmax in them, from R itself."""
    step = 1e-6
    starts = RECALLS.log()  # softmax(starts[k]) is R[k]
    for i in range(3):
        for j in range(3):
            mixed = 0.8 * MEANS[i] + 0.2 * MEANS[j]
            error = torch.eye(3, dtype=torch.float64)[i] - (WEIGHT @ mixed + BIAS).softmax(dim=0)
            change = torch.outer(error, mixed)  # minus the gradient of CE in W

            def mean_recall(size, change=change):
                moved = starts + size * MEANS @ change.T
                return moved.softmax(dim=1).diagonal().mean().item()

            slope = (mean_recall(step) - mean_recall(-step)) / (2 * step)
            assert gains()[i, j].item() == pytest.approx(slope, abs=1e-8)


def test_a_perfect_validation_part_makes_all_pairs_alike():
    slopes = recall_slopes(torch.eye(3, dtype=torch.float64))
    assert not slopes.any()
    shares = pair_shares(gains(torch.eye(3, dtype=torch.float64)), ALL, temperature=0.1)
    assert torch.allclose(shares, torch.full((3, 3), 1 / 9, dtype=torch.float64))


def test_without_mixing_the_partner_does_not_matter():
    found = gains(least=1.0)
    assert torch.allclose(found, found[:, :1].expand(3, 3))
    # So the classes are drawn again by their own shares, each with any partner.
    shares = pair_shares(found, ALL, temperature=0.1)
    assert torch.allclose(shares, shares.sum(dim=1, keepdim=True).expand(3, 3) / 3)


@given(st.floats(-3, 3), st.integers(0, 10**6))
def test_gains_are_linear_in_the_slopes(factor, seed):
    generator = torch.Generator().manual_seed(seed)
    one, other = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)

    def of(slopes):
        return mixing_gains(slopes, MEANS, WEIGHT, BIAS, least=0.6)

    assert torch.allclose(of(one + factor * other), of(one) + factor * of(other))


@given(st.integers(1, 5), st.integers(0, 10**6))
def test_gains_as_by_hand(num_classes, seed):
    rng = np.random.default_rng(seed)
    slopes, means = rng.normal(size=(num_classes,) * 2), rng.normal(size=(num_classes, 4))
    weight, bias = rng.normal(size=(num_classes, 4)), rng.normal(size=num_classes)
    expected = np.zeros((num_classes, num_classes))
    for i, j in np.ndindex(expected.shape):
        mixed = 0.9 * means[i] + 0.1 * means[j]
        powers = np.exp(weight @ mixed + bias)
        for k, label in np.ndindex(expected.shape):
            error = (i == label) - powers[label] / powers.sum()
            expected[i, j] += slopes[k, label] * (means[k] @ mixed) * error
    found = mixing_gains(*map(torch.from_numpy, (slopes, means, weight, bias)), least=0.8)
    assert found.numpy() == pytest.approx(expected)


def test_shares_of_small_recalls():
    found = recall_slopes(RECALLS, eta=0.5)
    weights = np.exp(-0.5 * np.array([0.95, 0.6, 0.2]))
    expected = recall_slopes(RECALLS) * torch.from_numpy(3 * weights / weights.sum())[:, None]
    assert torch.allclose(found, expected)
    assert torch.allclose(recall_slopes(RECALLS, eta=0.0), recall_slopes(RECALLS))


def test_pairs_that_cannot_be_drawn_have_no_share():
    possible = torch.tensor([True, False, True])
    for found in (gains(), -torch.ones(3, 3, dtype=torch.float64)):
        shares = pair_shares(found, possible, temperature=0.1)
        assert not shares[1].any()
        assert not shares[:, 1].any()
        assert shares.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("size", [1e-300, 1e6, 1e300])
def test_gains_of_any_size_give_shares(size):
    shares = pair_shares(size * gains(), ALL, temperature=0.1)
    assert torch.isfinite(shares).all()
    assert shares.sum().item() == pytest.approx(1)


@given(st.floats(0.01, 10))
def test_only_pairs_that_gain_are_drawn_and_ratios_follow_the_temperature(temperature):
    shares = pair_shares(gains(), ALL, temperature=temperature)
    assert ((shares > 0) == (gains() > 0)).all()
    expected = math.exp((gains()[1, 1] - gains()[1, 0]).item() / temperature)
    assert (shares[1, 1] / shares[1, 0]).item() == pytest.approx(expected)


def test_rows_of_the_confusion_matrix():
    labels, predicted = torch.tensor([0, 0, 0, 0, 1]), torch.tensor([0, 0, 0, 2, 0])
    found = row_normalised_confusion(labels, predicted, 3)
    assert found.tolist() == [[0.75, 0, 0.25], [1, 0, 0], [1 / 3] * 3]
