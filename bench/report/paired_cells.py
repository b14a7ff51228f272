"""Two methods of a table against each other, over the seeds that both have finished."""

from __future__ import annotations

import numpy as np

from bench.report.cells import Column, Run, Table
from bench.report.measures import MAIN
from bench.report.numbers import ONE_PAIR
from bench.report.sampling_variance import Covariance, test_to_train_of
from bench.statistics import Difference, paired_difference


def gap_over_seeds(
    table: Table, split: str, column: Column, first: str, second: str, covariance: Covariance
) -> Difference | None:
    """Balanced accuracy of `first` minus that of `second`, in points.

    Parameters
    ----------
    covariance : callable
        From :func:`bench.report.sampling_variance.covariance_from`; one for all pairs of a column
        reads the predictions of a run once.

    Returns
    -------
    Difference or None
        From :func:`bench.statistics.paired.paired_difference`; None without a seed that both have.
    """
    a, b = (_complete_runs(table, split, column, method) for method in (first, second))
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    measure = MAIN[0]
    cells = [table.cells[split, column.label, name, measure.name] for name in (first, second)]
    sampling = [covariance(measure, (a[seed], b[seed])) for seed in seeds]
    return paired_difference(
        np.array([[cell.values[seed] for cell in cells] for seed in seeds]),
        np.array(sampling),
        test_to_train=test_to_train_of([a[seed] for seed in seeds]),
    )


def said_of(pairs: int) -> str:
    """What a sentence about a difference over `pairs` seeds must say of them."""
    return ONE_PAIR if pairs == 1 else ""


def _complete_runs(table: Table, split: str, column: Column, method: str) -> dict[int, Run]:
    """Runs with a balanced accuracy, by seed, and fold if any."""
    cell = table.cells.get((split, column.label, method, MAIN[0].name))
    if cell is None:
        return {}
    return {run.replicate: run for run in cell.runs if run.replicate in cell.values}
