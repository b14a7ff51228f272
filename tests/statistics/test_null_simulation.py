"""The whole procedure that decides bold, on tables whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from bench.statistics import confidence_set
from tests.statistics.simulated import (
    HIV,
    TEST_TO_TRAIN,
    USPTO,
    noise_of,
    one_cluster,
    simulate,
    standard_deviation,
)

TABLES = 500
METHODS = 12
GAP = 3 * standard_deviation(HIV, training=0.005)

slow = pytest.mark.slow


def groups(seed, tables=TABLES, **settings):
    """Members of the best group of each simulated table."""
    rng = np.random.default_rng(seed)
    for _ in range(tables):
        scores, covariances = simulate(rng, **settings)
        group = confidence_set(
            scores,
            covariances,
            test_to_train=TEST_TO_TRAIN,
            clusters=settings.get("clusters"),
        )
        yield set(group.members)


def false_claims(seed, **settings):
    """Share of tables in which a method is told from the best, though all are equal."""
    return np.mean([len(group) < METHODS for group in groups(seed, **settings)])


@pytest.mark.fault(48)
@pytest.mark.parametrize(
    "training", [0.005, *(pytest.param(noise, marks=slow) for noise in (0.0, 0.01, 0.02))]
)
def test_equal_methods_are_told_apart_in_at_most_seven_of_a_hundred_tables(training):
    assert false_claims(1, training=training) <= 0.07


@slow
@pytest.mark.fault(48)
def test_equal_methods_of_ten_classes_are_rarely_told_apart():
    assert false_claims(5, data=USPTO, training=0.002) <= 0.07


@slow
@pytest.mark.fault(48)
@pytest.mark.parametrize(
    "factors", [[3.0] + [1.0] * 11, [2.0] * 3 + [0.5] * 9], ids=["one noisy", "three noisy"]
)
def test_so_they_are_when_some_train_with_more_noise_than_others(factors):
    assert false_claims(2, factors=np.array(factors)) <= 0.07


@slow
@pytest.mark.fault(48)
@pytest.mark.parametrize("sizes", [(1, 11), (2, 10), (6, 6), (2, 2, 2, 2, 2, 2)], ids=str)
def test_equal_methods_in_tiers_at_any_distance_are_rarely_told_apart(sizes):
    """Of the best's own tier or one above it; small sets of equals are tested at alpha too."""
    tier = np.repeat(np.arange(len(sizes)), sizes)
    for distance in (0.5, 1.0, 2.0, 4.0):  # in standard deviations of a method's mean
        rng = np.random.default_rng(7)
        false = []
        for _ in range(TABLES):
            scores = 3**0.5 * rng.normal(size=(3, METHODS)) - distance * tier
            group = confidence_set(scores, test_to_train=0.0)
            equal_or_better = set(np.flatnonzero(tier <= tier[group.best]).tolist())
            false.append(not equal_or_better <= set(group.members))
        assert np.mean(false) <= 0.07


CLUSTERED = [(33, 7), (12, 6), (12, 8), (8, 6)]


def false_claims_of_clusters(methods, members, common, *, known):
    """Among equal methods without chance of samples, whether or not clusters are `known`."""
    rng, clusters = np.random.default_rng(9), one_cluster(methods, members)
    found = []
    for _ in range(TABLES):
        scores = noise_of(rng, 3, methods, clusters, common)
        group = confidence_set(scores, test_to_train=0.0, clusters=clusters if known else None)
        found.append(len(group.members) < methods)
    return np.mean(found)


@pytest.mark.parametrize(("methods", "members"), CLUSTERED)
@pytest.mark.parametrize("common", [0.95, 0.5])
def test_methods_that_share_a_network_are_rarely_told_apart(methods, members, common):
    assert false_claims_of_clusters(methods, members, common, known=True) <= 0.07


def test_so_they_would_be_if_their_noise_counted_as_independent():
    """Why clusters must be known."""
    assert false_claims_of_clusters(12, 8, 0.95, known=False) > 0.10


@pytest.mark.parametrize("members", [6, pytest.param(8, marks=slow)])
def test_methods_that_share_a_network_are_rarely_told_apart_on_stored_predictions(members):
    clusters = one_cluster(METHODS, members)
    found = groups(10, tables=250, training=0.04, clusters=clusters)
    assert np.mean([len(group) < METHODS for group in found]) <= 0.07


@pytest.mark.fault(48)
def test_a_method_three_standard_deviations_below_eleven_others_is_told_from_the_best():
    gaps = np.zeros(METHODS)
    gaps[4] = -GAP
    assert np.mean([4 not in group for group in groups(3, gaps=gaps)]) >= 0.95


@slow
@pytest.mark.fault(48)
def test_each_of_eleven_equal_methods_is_told_from_one_three_standard_deviations_above():
    """Comparison by comparison; all eleven at once are found in fewer tables."""
    gaps = np.zeros(METHODS)
    gaps[4] = GAP
    found = [(METHODS - len(group)) / (METHODS - 1) for group in groups(8, gaps=gaps)]
    assert np.mean(found) >= 0.95


@slow
@pytest.mark.fault(48)
def test_two_tiers_three_standard_deviations_apart_are_told_apart():
    gaps = np.repeat([0.0, -GAP], METHODS // 2)
    found = [len(set(range(6, 12)) - group) / 6 for group in groups(4, gaps=gaps)]
    assert np.mean(found) >= 0.95


def test_holm_on_comparisons_with_the_best_of_the_same_scores_claims_too_much():
    """Why the group is decided by the range and not by Holm's correction."""
    rng = np.random.default_rng(6)
    claims = []
    for scores in rng.normal(size=(TABLES, 12, METHODS)):
        best = scores.mean(axis=0).argmax()
        others = np.delete(scores, best, axis=1)
        # Holm's first step multiplies the smallest p by the number of comparisons.
        claims.append(min(ttest_rel(scores[:, [best]], others).pvalue) * len(others.T) <= 0.05)
    assert np.mean(claims) > 0.10
