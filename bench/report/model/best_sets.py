"""Which methods of a column are not significantly different from its best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from bench.report.model.cells import BestSet, Cell, Result, Run, Table
from bench.report.model.costs import with_required
from bench.report.model.measures import Measure
from bench.report.model.sampling_variance import (
    Covariance,
    Predictions,
    covariance_from,
    test_to_train_of,
)
from bench.statistics import confidence_set


def best_sets(
    table: Table, predictions: Predictions, alpha: float = 0.05
) -> dict[tuple[str, str, str], BestSet]:
    """The leaders of every column by (split, data set label, metric).

    Methods with all their runs compete, on the seeds they share. A column with fewer than two
    such methods or seeds has no entry.
    """
    results = {run.job_id: run.result for run in table.runs if run.result is not None}
    leaders = {}
    for split in table.splits:
        for column in table.columns_of(split):
            covariance = covariance_from(predictions)
            for measure in table.measures:
                cells = {
                    row.label: cell
                    for row in table.rows
                    if (cell := table.cell(split, column, row, measure)) is not None
                    and cell.complete
                }
                found = _leaders(measure, cells, covariance, results, alpha)
                if found is not None:
                    leaders[split, column.label, measure.name] = found
    return leaders


def _leaders(
    measure: Measure,
    cells: Mapping[str, Cell],
    covariance: Covariance,
    results: Mapping[str, Result],
    alpha: float,
) -> BestSet | None:
    if len(cells) < 2:
        return None
    seeds = sorted(set.intersection(*(set(cell.values) for cell in cells.values())))
    if len(seeds) < 2:
        return None
    sign = 1 if measure.higher_is_better else -1
    scores = np.array([[sign * cell.values[seed] for cell in cells.values()] for seed in seeds])
    of_seed = [{run.replicate: run for run in cell.runs} for cell in cells.values()]
    runs = [[by_seed[seed] for by_seed in of_seed] for seed in seeds]
    covariances = [covariance(measure, of_methods) for of_methods in runs]
    known = [one for one in covariances if one is not None]
    clusters = clusters_of(list(zip(*runs, strict=True)), results)
    group = confidence_set(
        scores,
        np.stack(known) if known else None,
        test_to_train=test_to_train_of([of_methods[0] for of_methods in runs]),
        clusters=clusters,
        alpha=alpha,
    )
    assert group is not None  # two methods and two seeds at least
    named = [
        tuple(label for label, own in zip(cells, clusters, strict=True) if own == number)
        for number in dict.fromkeys(clusters)
    ]
    shared = tuple(labels for labels in named if len(labels) > 1)
    repeats = len({of_methods[0].seed for of_methods in runs})
    means = tuple((sign * scores.mean(axis=0)).tolist())
    return BestSet(tuple(cells), tuple(seeds), alpha, group, means, shared, repeats)


def clusters_of(methods: Sequence[Sequence[Run]], results: Mapping[str, Result]) -> tuple[int, ...]:
    """A number for each method, equal for those whose runs depend on the same run.

    Parameters
    ----------
    methods : sequence of sequences of Run
        The runs of each method.
    results : mapping
        Job id to result, of all runs of the table.
    """
    needed = [
        set[str]().union(*(with_required(run.job_id, results) for run in runs)) for runs in methods
    ]
    cluster = list(range(len(needed)))
    for one, other in combinations(range(len(needed)), 2):
        if needed[one] & needed[other]:
            joined = cluster[other]
            cluster = [cluster[one] if own == joined else own for own in cluster]
    return tuple(cluster)
