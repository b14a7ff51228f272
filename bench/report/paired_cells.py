"""Two methods of a table against each other, over the seeds that both have finished."""

from __future__ import annotations

from bench.report.cells import Column, Run, Table
from bench.report.measures import MAIN
from bench.statistics.paired import SeedDifference, paired_by_seed


def complete_runs(table: Table, split: str, column: Column, method: str) -> dict[int, Run]:
    """Runs with a balanced accuracy, by seed."""
    cell = table.cells.get((split, column.label, method, MAIN[0].name))
    if cell is None:
        return {}
    return {run.seed: run for run in cell.runs if run.seed in cell.values}


def gap_over_seeds(
    table: Table, split: str, column: Column, first: str, second: str
) -> SeedDifference | None:
    """Balanced accuracy of `first` minus that of `second`, in points.

    Returns
    -------
    SeedDifference or None
        With the 95 % interval of the corrected resampled t test
        (:func:`bench.statistics.paired.paired_by_seed`); None below two seeds that both have.
    """
    a, b = (complete_runs(table, split, column, method) for method in (first, second))
    seeds = sorted(a.keys() & b.keys())
    if len(seeds) < 2:
        return None
    result = a[seeds[0]].result
    assert result is not None  # complete_runs gives none without
    cells = [table.cells[split, column.label, name, MAIN[0].name] for name in (first, second)]
    scores = [[cell.values[seed] for seed in seeds] for cell in cells]
    return paired_by_seed(*scores, test_to_train=result.test_to_train)
