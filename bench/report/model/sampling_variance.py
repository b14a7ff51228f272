"""How far the scores of runs on one test set would move with other test samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from bench.metrics import confusion_matrix, count_groups, frequency_groups
from bench.report.model.cells import Result, Run, Table, test_to_train_of_folds
from bench.report.model.measures import MAIN, Measure
from bench.split import SPLITS
from bench.statistics import (
    balanced_accuracy_influence,
    balanced_f1_influence,
    recall_influence,
    sampling_covariance,
)

# Job id to the decisions of a run, among them ``test_labels`` and ``test_predictions`` (M,).
Predictions = Callable[[str], Mapping[str, np.ndarray]]
# Measures of which the covariance is known in closed form.
WITH_COVARIANCE = (
    "balanced_accuracy", "balanced_f1", "recall_head", "recall_middle", "recall_tail",
    "recall_many", "recall_medium", "recall_few",
)  # fmt: skip
# Labels (M,), predictions (M,) and class rates (K, K) of a run.
Rated = tuple[np.ndarray, np.ndarray, np.ndarray]
# Measure and the runs of k methods on one seed to the covariance (k, k), in the unit of tables;
# None of measures without a closed form.
Covariance = Callable[[Measure, Sequence[Run]], np.ndarray | None]


def covariance_from(predictions: Predictions) -> Covariance:
    """What gives the covariances; the predictions of a run are read once."""
    rated = cache(lambda job_id, classes: _rated(predictions(job_id), classes))
    return lambda measure, runs: _covariance(measure, runs, rated)


def result_of(run: Run) -> Result:
    """The result of a run that is known to be complete."""
    assert run.result is not None
    return run.result


def test_to_train_of(runs: Sequence[Run]) -> float:
    """How much the test sets of complete runs of one method on one split have in common.

    Test samples / training samples, as :attr:`Result.test_to_train`; infinite where every seed has
    the same test set.
    """
    if has_one_test_set(runs):
        return float("inf")
    if runs[0].fold is not None:
        return test_to_train_of_folds([result_of(run) for run in runs])
    return result_of(runs[0]).test_to_train


def has_one_test_set(runs: Sequence[Run]) -> bool:
    """Whether several complete runs of one method on one split are tested on the same samples."""
    if len(runs) < 2:
        return False
    if len({result_of(run).split_hash for run in runs}) == 1:
        return True
    name = runs[0].split.partition("[")[0]
    known = runs[0].fold is None and name in SPLITS
    return known and getattr(SPLITS.get(name).cls, "same_test", False)


def splits_of_one_test_set(table: Table) -> list[str]:
    """Those on which the seeds of a method are tested on the same samples."""
    return [
        split
        for split in table.splits
        if any(
            where == split and has_one_test_set([run for run in cell.runs if run.result])
            for (where, _, _, measure), cell in table.cells.items()
            if measure == MAIN[0].name
        )
    ]


def _covariance(
    measure: Measure, runs: Sequence[Run], rated: Callable[[str, int], Rated]
) -> np.ndarray | None:
    train_counts = np.array(result_of(runs[0]).train_counts)
    influence = _influence(measure.name, train_counts)
    if influence is None:
        return None
    of_methods = [rated(run.job_id, len(train_counts)) for run in runs]
    labels = of_methods[0][0]
    gradients = (influence(rates) for _, _, rates in of_methods)
    predicted = np.stack([predictions for _, predictions, _ in of_methods])
    return measure.printed(1.0) ** 2 * sampling_covariance(labels, predicted, gradients)


def _influence(metric: str, train_counts: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """Derivative of a metric by class rates, or None of one that is no function of these."""
    if metric == "balanced_accuracy":
        return balanced_accuracy_influence
    if metric == "balanced_f1":
        return balanced_f1_influence
    classes = _groups(train_counts).get(metric.removeprefix("recall_"))
    return None if classes is None else lambda rates: recall_influence(rates, classes)


def _groups(train_counts: np.ndarray) -> dict[str, np.ndarray]:
    return {**frequency_groups(train_counts), **count_groups(train_counts)}


def _rated(arrays: Mapping[str, np.ndarray], classes: int) -> Rated:
    labels, predictions = arrays["test_labels"], arrays["test_predictions"]
    matrix = confusion_matrix(labels, predictions, classes)
    counts = matrix.sum(axis=1, keepdims=True)
    rates = np.divide(matrix, counts, out=np.full(matrix.shape, np.nan), where=counts > 0)
    return labels, predictions, rates
