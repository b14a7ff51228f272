"""Which methods of a column cannot be told from its best, by scores and stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from bench.metrics import confusion_matrix, frequency_groups
from bench.report import measures
from bench.report.cells import Cell, Leaders, Result, Run, Table
from bench.report.measures import Measure
from bench.statistics import (
    balanced_accuracy_influence,
    balanced_f1_influence,
    group_of_best,
    recall_influence,
    sampling_covariance,
)

# Job id to the decisions of a run, among them ``test_labels`` and ``test_predictions`` (M,).
Predictions = Callable[[str], Mapping[str, np.ndarray]]
# Labels (M,), predictions (M,) and class rates (K, K) of a run.
Rated = tuple[np.ndarray, np.ndarray, np.ndarray]


def groups_of_best(
    table: Table, predictions: Predictions, alpha: float = 0.05
) -> dict[tuple[str, str, str], Leaders]:
    """The leaders of every column by (split, data set label, metric).

    Methods with all their runs compete, on the seeds they share. A column with fewer than two
    such methods or seeds has no entry.
    """
    leaders = {}
    for split in table.splits:
        for column in table.columns_of(split):
            rated = cache(lambda job_id, classes: _rated(predictions(job_id), classes))
            for measure in measures.ALL:
                cells = {
                    row.label: cell
                    for row in table.rows
                    if (cell := table.cell(split, column, row, measure)) is not None
                    and cell.complete
                }
                found = _leaders(measure, cells, rated, alpha)
                if found is not None:
                    leaders[split, column.label, measure.name] = found
    return leaders


def _leaders(
    measure: Measure, cells: Mapping[str, Cell], rated: Callable[[str, int], Rated], alpha: float
) -> Leaders | None:
    if len(cells) < 2:
        return None
    seeds = sorted(set.intersection(*(set(cell.values) for cell in cells.values())))
    if len(seeds) < 2:
        return None
    sign = 1 if measure.higher_is_better else -1
    scores = np.array([[sign * cell.values[seed] for cell in cells.values()] for seed in seeds])
    of_seed = [{run.seed: run for run in cell.runs} for cell in cells.values()]
    runs = [[by_seed[seed] for by_seed in of_seed] for seed in seeds]
    covariances = [_covariance(measure, of_methods, rated) for of_methods in runs]
    known = [covariance for covariance in covariances if covariance is not None]
    group = group_of_best(
        scores,
        np.stack(known) if known else None,
        test_to_train=_result(runs[0][0]).test_to_train,
        alpha=alpha,
    )
    assert group is not None  # two methods and two seeds at least
    return Leaders(tuple(cells), tuple(seeds), alpha, group)


def _covariance(
    measure: Measure, runs: list[Run], rated: Callable[[str, int], Rated]
) -> np.ndarray | None:
    """By the test samples of one seed, in the unit of tables; None where it has no closed form."""
    train_counts = np.array(_result(runs[0]).train_counts)
    influence = _influence(measure.name, train_counts)
    if influence is None:
        return None
    of_methods = [rated(run.job_id, len(train_counts)) for run in runs]
    labels = of_methods[0][0]
    gradients = np.stack([influence(rates) for _, _, rates in of_methods])
    predicted = np.stack([predictions for _, predictions, _ in of_methods])
    return measure.printed(1.0) ** 2 * sampling_covariance(labels, predicted, gradients)


def _influence(metric: str, train_counts: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """Derivative of a metric by class rates, or None of one that is no function of these."""
    if metric == "balanced_accuracy":
        return balanced_accuracy_influence
    if metric == "balanced_f1":
        return balanced_f1_influence
    classes = frequency_groups(train_counts).get(metric.removeprefix("recall_"))
    return None if classes is None else lambda rates: recall_influence(rates, classes)


def _rated(arrays: Mapping[str, np.ndarray], classes: int) -> Rated:
    labels, predictions = arrays["test_labels"], arrays["test_predictions"]
    matrix = confusion_matrix(labels, predictions, classes)
    counts = matrix.sum(axis=1, keepdims=True)
    rates = np.divide(matrix, counts, out=np.full(matrix.shape, np.nan), where=counts > 0)
    return labels, predictions, rates


def _result(run: Run) -> Result:
    assert run.result is not None  # only complete cells compete
    return run.result
