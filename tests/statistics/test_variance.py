"""Each term of the variance of a mean over seeds, by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench.statistics.variance import covariance_of_means

V = np.array([[4.0, 1.0], [1.0, 2.0]])
CHANCE = np.stack([0.5 * V, V, 1.5 * V])  # V on average over the seeds
RATIO = 0.25  # rho is .2
RHO = 0.2


def two(square):
    """Scores of two methods on three seeds whose mean square around their means is `square`."""
    return np.array([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]) * (2 * square) ** 0.5


def test_two_methods_with_known_chance_of_the_test_samples_by_hand():
    covariance, degrees = covariance_of_means(two(5.0), CHANCE, test_to_train=RATIO)
    # Of 5, (1 - rho) (4 + 2 - 2 * 1) / 2 is chance, and the rest is training.
    noise = 5 - (1 - RHO) * 2
    np.testing.assert_allclose(covariance, (1 + 2 * RHO) / 3 * V + noise / 3 * np.eye(2))
    assert degrees == int(2 * (((1 + 2 * RHO) * 2 + noise) / 5) ** 2)


def test_test_sets_that_overlap_keep_a_part_of_their_chance_in_common():
    """The term that every claim is too bold without."""
    alone, shared = (
        covariance_of_means(two(1.0), CHANCE, test_to_train=ratio)[0] for ratio in (0.0, RATIO)
    )
    np.testing.assert_allclose(alone, V / 3)
    np.testing.assert_allclose(shared, (1 + 2 * RHO) / 3 * V)


def test_training_has_what_chance_over_overlapping_test_sets_leaves():
    """Over seeds, chance shows as (1 - rho) V only, so that the rest is more than without."""
    noises = [
        covariance_of_means(two(5.0), CHANCE, test_to_train=ratio)[0][0, 0]
        - (1 + 2 * ratio / (1 + ratio)) / 3 * V[0, 0]
        for ratio in (0.0, RATIO)
    ]
    assert noises == pytest.approx([(5 - 2) / 3, (5 - 0.8 * 2) / 3])


def test_a_mean_square_below_that_of_chance_makes_nobody_certain():
    """Seeds that agree by chance give chance alone, and bounded degrees of freedom."""
    for square in (1.0, 1e-3, 0.0):
        covariance, degrees = covariance_of_means(two(square), CHANCE, test_to_train=RATIO)
        np.testing.assert_allclose(covariance, (1 + 2 * RHO) / 3 * V)
        assert degrees == int(2 * ((1 + 2 * RHO) / (1 - RHO)) ** 2)


def test_without_chance_the_mean_square_is_corrected_as_a_whole():
    covariance, degrees = covariance_of_means(two(5.0), None, test_to_train=RATIO)
    np.testing.assert_allclose(covariance, (1 / 3 + RATIO) * 5 * np.eye(2))
    assert degrees == 2


def mean_square(scores):
    residuals = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    return (residuals**2).sum() / (scores.shape[0] - 1) / (scores.shape[1] - 1)


def test_a_cluster_says_as_much_about_training_as_one_of_its_methods():
    clusters = [4, 1, 4, 2, 2, 2]
    scores = np.random.default_rng(0).normal(size=(4, 6)) * np.arange(1, 7)
    choices = list(itertools.product([0, 2], [1], [3, 4, 5]))
    expected = np.mean([mean_square(scores[:, list(choice)]) for choice in choices])
    covariance, degrees = covariance_of_means(scores, None, test_to_train=0.0, clusters=clusters)
    np.testing.assert_allclose(covariance, expected / 4 * np.eye(6))
    assert degrees == 2 * 3
    chance = np.stack([np.diag([9.0, 1, 1, 1, 1, 1]) * 1e-3] * 4)
    covariance, _ = covariance_of_means(scores, chance, test_to_train=0.0, clusters=clusters)
    # Each method is chosen as often as others of its cluster: 9 counts half, of three clusters.
    noise = expected - 1e-3 * ((9 + 1) / 2 + 1 + 1) / 3
    np.testing.assert_allclose(covariance, chance[0] / 4 + noise / 4 * np.eye(6))


def test_methods_of_one_cluster_take_the_pair_that_differs_most():
    scores = np.random.default_rng(1).normal(size=(3, 4))
    pairs = [mean_square(scores[:, list(pair)]) for pair in itertools.combinations(range(4), 2)]
    covariance, degrees = covariance_of_means(scores, None, test_to_train=0.0, clusters=[7] * 4)
    np.testing.assert_allclose(covariance, max(pairs) / 3 * np.eye(4))
    assert degrees == 2


def test_clusters_of_one_are_no_clusters():
    scores = np.random.default_rng(2).normal(size=(3, 5))
    chance = np.stack([np.eye(5)] * 3)
    plain = covariance_of_means(scores, chance, test_to_train=0.2)
    named = covariance_of_means(scores, chance, test_to_train=0.2, clusters=[3, 1, 4, 2, 0])
    np.testing.assert_allclose(plain[0], named[0])
    assert plain[1] == named[1]
    with pytest.raises(ValueError, match="a cluster for each of 5"):
        covariance_of_means(scores, chance, test_to_train=0.2, clusters=[0, 1])
