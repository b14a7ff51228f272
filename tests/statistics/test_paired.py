from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.statistics import Difference, confidence_set, paired_difference

NOTHING = np.zeros((2, 2))


def scores_of(differences):
    return np.stack([0.7 + np.asarray(differences), np.full(len(differences), 0.7)], axis=1)


def difference_of(differences, sampling=NOTHING, ratio=0.0):
    scores = scores_of(differences)
    return paired_difference(scores, np.stack([sampling] * len(scores)), test_to_train=ratio)


def test_without_chance_of_samples_it_is_the_paired_t_interval():
    """With t(n - 1), 4.3 on three seeds, not the 1.96 of a normal distribution."""
    for count in (3, 6):
        differences = np.random.default_rng(count).normal(0.01, 0.02, count)
        found = difference_of(differences)
        expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert (found.mean, found.pairs) == (pytest.approx(differences.mean()), count)


def test_it_turns_its_sign_with_the_order():
    scores = np.random.default_rng(0).normal(size=(4, 2))
    sampling = np.stack([np.eye(2)] * 4)
    found, turned = (
        paired_difference(own, sampling, test_to_train=0.2) for own in (scores, scores[:, ::-1])
    )
    assert (turned.mean, turned.low, turned.high) == pytest.approx(
        (-found.mean, -found.high, -found.low)
    )


def test_the_interval_is_never_narrower_than_that_of_the_test_samples():
    sampling = np.array([[4e-4, 1e-4], [1e-4, 4e-4]])
    error = (6e-4 * (1 + 2 * 0.2) / 3) ** 0.5
    for spread in (0.0, 1e-6, 0.001, 0.05):
        found = difference_of([0.05 - spread, 0.05, 0.05 + spread], sampling, ratio=0.25)
        assert found.high - found.low >= 2 * 1.96 * error


def test_two_equal_differences_are_no_claim():
    """What [.60, .62] against [.55, .57] once was: an interval of width 0."""
    assert paired_difference(
        np.array([[0.60, 0.55], [0.62, 0.57]]), np.zeros((2, 2, 2)), test_to_train=0.2
    ).sign == "alike"  # fmt: skip
    assert Difference(0.05, 0.05, 0.05, 2).sign == "alike"
    assert Difference(0.05, 0.01, 0.09, 3).sign == "above"
    assert Difference(-0.05, -0.09, -0.01, 3).sign == "below"


def test_one_pair_has_the_interval_of_its_test_samples():
    sampling = np.array([[4e-4, 1e-4], [1e-4, 4e-4]])
    found = difference_of([0.05], sampling, ratio=0.25)
    half = stats.norm.ppf(0.975) * 6e-4**0.5
    assert (found.low, found.high) == pytest.approx((0.05 - half, 0.05 + half))
    assert found.pairs == 1


@pytest.mark.parametrize("seed", range(12))
def test_it_says_the_same_as_bold_of_two_methods(seed):
    rng = np.random.default_rng(seed)
    scores = 0.01 * rng.normal(size=(3, 2)) + np.array([0.0, 0.02])
    sampling = np.stack([2e-5 * np.eye(2)] * 3)
    found = paired_difference(scores, sampling, test_to_train=0.2)
    group = confidence_set(scores, sampling, test_to_train=0.2)
    assert (found.sign == "alike") == (len(group.members) == 2)


def test_of_more_methods_bold_may_say_something_else():
    """Bold pools the noise of all methods of a column; an interval is that of two."""
    rng = np.random.default_rng(0)
    scores = np.array([0.0, 0.02, 0.02]) + 0.0005 * rng.normal(size=(3, 3))
    scores[:, 2] += [-0.1, 0.0, 0.1]
    sampling = np.stack([1e-7 * np.eye(3)] * 3)
    group = confidence_set(scores, sampling, test_to_train=0.2)
    found = paired_difference(scores[:, :2], sampling[:, :2, :2], test_to_train=0.2)
    assert len(group.members) == 3
    assert found.sign == "below"


@pytest.mark.parametrize("training", [0.0, 1.0, 3.0, 10.0, 100.0])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_equal_methods_are_told_apart_in_at_most_seven_of_a_hundred_pairs(seeds, training):
    """Chance of 1 with the correlation of overlapping test sets, and training beside it."""
    rng, ratio = np.random.default_rng(4), 2 / 7
    rho = ratio / (1 + ratio)
    claims = []
    for _ in range(1500):
        common, own = rng.normal(size=(1, 2)), rng.normal(size=(seeds, 2))
        scores = rho**0.5 * common + (1 - rho) ** 0.5 * own
        scores += training**0.5 * rng.normal(size=(seeds, 2))
        found = paired_difference(scores, np.stack([np.eye(2)] * seeds), test_to_train=ratio)
        claims.append(found.sign != "alike")
    assert np.mean(claims) <= 0.07


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="two methods on one seed"):
        paired_difference(np.zeros((3, 3)), np.zeros((3, 3, 3)), test_to_train=0.2)
    with pytest.raises(ValueError, match="two methods on one seed"):
        paired_difference(np.zeros((0, 2)), np.zeros((0, 2, 2)), test_to_train=0.2)
    with pytest.raises(ValueError, match=r"\(3, 2, 2\)"):
        paired_difference(np.zeros((3, 2)), np.zeros((2, 2, 2)), test_to_train=0.2)


@pytest.mark.fault(47)
def test_five_times_five_folds_without_chance_of_samples_are_corrected():
    """As of Nadeau and Bengio: a t of .928, where the plain test of folds has 2.5."""
    z = np.random.default_rng(0).normal(size=25)
    differences = 0.01 + 0.02 * (z - z.mean()) / z.std(ddof=1)
    group = confidence_set(scores_of(differences), test_to_train=1 / 4)
    assert group.gaps[1] / group.errors[1] == pytest.approx(0.928, abs=5e-4)
    plain = confidence_set(scores_of(differences), test_to_train=0.0)
    assert plain.gaps[1] / plain.errors[1] == pytest.approx(2.5)
