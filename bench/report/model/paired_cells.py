"""Two methods of a table against each other, over the seeds that both have finished."""

from __future__ import annotations

import numpy as np

from bench.report.model.cells import Column, Run, Table
from bench.report.model.measures import MAIN, Measure
from bench.report.model.sampling_variance import Covariance, test_to_train_of
from bench.statistics import Difference, paired_difference


def gap_over_seeds(
    table: Table,
    split: str,
    column: Column,
    first: str,
    second: str,
    covariance: Covariance,
    measure: Measure = MAIN[0],
) -> Difference | None:
    """A measure, mostly balanced accuracy, of `first` minus that of `second`, in points.

    Parameters
    ----------
    covariance : callable
        From :func:`bench.report.model.sampling_variance.covariance_from`; one for all pairs of a
        column reads the predictions of a run once.
    measure : Measure
        One of :data:`bench.report.model.sampling_variance.WITH_COVARIANCE`.

    Returns
    -------
    Difference or None
        From :func:`bench.statistics.paired.paired_difference`; None without a seed that both have.
    """
    pairs = paired_runs(table, split, column, first, second, measure)
    if not pairs:
        return None
    cells = [table.cells[split, column.label, name, measure.name] for name in (first, second)]
    return paired_difference(
        np.array([[cell.values[run.replicate] for cell in cells] for run, _ in pairs]),
        np.array([covariance(measure, pair) for pair in pairs]),
        test_to_train=test_to_train_of([run for run, _ in pairs]),
    )


def paired_runs(
    table: Table,
    split: str,
    column: Column,
    first: str,
    second: str,
    measure: Measure = MAIN[0],
) -> list[tuple[Run, Run]]:
    """Runs of `first` and `second` on the same seed, and fold if any, that both have finished."""
    a, b = (_complete_runs(table, split, column, name, measure) for name in (first, second))
    return [(a[place], b[place]) for place in sorted(a.keys() & b.keys())]


def said_of(pairs: int) -> str:
    """What a sentence about a difference over `pairs` seeds must say of them."""
    return " (one trained pair)" if pairs == 1 else ""


def _complete_runs(
    table: Table, split: str, column: Column, method: str, measure: Measure
) -> dict[int, Run]:
    """Runs in which the measure is defined, by seed, and fold if any."""
    cell = table.cells.get((split, column.label, method, measure.name))
    if cell is None:
        return {}
    return {run.replicate: run for run in cell.runs if run.replicate in cell.values}
