from __future__ import annotations

import numpy as np
import pytest

from bench.metrics import balanced_f1s, confusion_matrix, recalls
from bench.statistics import (
    balanced_accuracy_influence,
    balanced_f1_influence,
    recall_influence,
    sampling_covariance,
)

CLASSES = 4
MEASURES = {
    "balanced accuracy": (
        lambda matrix: np.nanmean(recalls(matrix)),
        balanced_accuracy_influence,
    ),
    "balanced F1": (lambda matrix: np.nanmean(balanced_f1s(matrix)), balanced_f1_influence),
    "tail": (
        lambda matrix: np.nanmean(recalls(matrix)[[1, 2]]),
        lambda rates: recall_influence(rates, np.array([1, 2])),
    ),
}


def part(counts):
    """Labels, and the predictions of two methods that often agree."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), counts)
    first = np.where(rng.random(len(labels)) < 0.7, labels, rng.integers(0, CLASSES, len(labels)))
    second = np.where(rng.random(len(labels)) < 0.6, first, labels)
    return labels, np.stack([first, second])


def rates_of(labels, predictions):
    matrix = confusion_matrix(labels, predictions, CLASSES)
    with np.errstate(invalid="ignore"):
        return matrix / matrix.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("counts", [(200, 80, 40, 30), (200, 80, 0, 30)])
def test_covariance_equals_that_of_a_stratified_bootstrap(measure, counts):
    value, influence = MEASURES[measure]
    labels, predictions = part(counts)
    gradients = np.stack([influence(rates_of(labels, own)) for own in predictions])
    covariance = sampling_covariance(labels, predictions, gradients)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(3000):
        picked = np.concatenate(
            [rng.choice(np.flatnonzero(labels == k), n) for k, n in enumerate(counts) if n]
        )
        drawn.append(
            [value(confusion_matrix(labels[picked], own[picked], CLASSES)) for own in predictions]
        )
    np.testing.assert_allclose(covariance, np.cov(np.array(drawn).T), rtol=0.12)


@pytest.mark.parametrize("measure", MEASURES)
def test_gradient_equals_that_by_small_steps(measure):
    value, influence = MEASURES[measure]
    matrix = np.array([[50, 5, 3, 2], [4, 20, 1, 5], [2, 2, 9, 2], [1, 0, 3, 6]], dtype=float)
    rates = matrix / matrix.sum(axis=1, keepdims=True)
    step = 1e-6
    for place in np.ndindex(CLASSES, CLASSES):
        # A rate moves against its row's last but one; measures take rates as counts.
        change = np.zeros_like(rates)
        change[place] += step
        change[place[0], (place[1] + 1) % CLASSES] -= step
        expected = (value(rates + change) - value(rates - change)) / (2 * step)
        gradient = influence(rates)
        found = gradient[place] - gradient[place[0], (place[1] + 1) % CLASSES]
        assert found == pytest.approx(expected, abs=1e-6)


def test_one_sample_of_a_class_adds_nothing():
    labels = np.array([0, 0, 0, 1])
    predictions = np.array([[0, 1, 0, 1]])
    gradient = balanced_accuracy_influence(np.eye(2))[None]
    expected = np.var([0.5, 0, 0.5], ddof=1) / 3
    assert sampling_covariance(labels, predictions, gradient) == pytest.approx(expected)
