"""Every method of a column against every other, for a baseline of the reader's choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from bench.report.model.cells import Column, Row, Run, Table
from bench.report.model.measures import MAIN, Measure
from bench.report.model.paired_cells import gap_over_seeds
from bench.report.model.sampling_variance import Covariance, Predictions, covariance_from
from bench.spec import label_and_encoder
from bench.statistics import Difference

_FIRST_CHOICE = "vanilla"
_SECOND_CHOICE = "control"
_SIGNS = {"above": 1, "alike": 0, "below": -1}
# Places of two methods to the difference of the first from the second, which stands behind it.
Gaps = Mapping[tuple[int, int], Difference]


def gaps_between(
    table: Table, split: str, column: Column, rows: Sequence[Row], predictions: Predictions
) -> Gaps:
    """Balanced accuracy of each of `rows` minus that of each later one, in points.

    Parameters
    ----------
    predictions : callable
        Job id to what the run predicted.

    Returns
    -------
    mapping
        Places in `rows`, the smaller first, to the difference with its 95 % interval; without the
        pairs that have no seed in common.
    """
    covariance = _looked_up(table, split, column, rows, covariance_from(predictions))
    gaps = {}
    for first, one in enumerate(rows):
        for second in range(first + 1, len(rows)):
            gap = gap_over_seeds(table, split, column, one.label, rows[second].label, covariance)
            if gap is not None:
                gaps[first, second] = gap
    return gaps


def _looked_up(
    table: Table, split: str, column: Column, rows: Sequence[Row], covariance: Covariance
) -> Covariance:
    """The covariance of two methods, out of that of all of a seed, which is found once."""
    cells = [table.cells[split, column.label, row.label, MAIN[0].name] for row in rows]

    @cache
    def of_all(replicate: int) -> tuple[dict[str, int], np.ndarray]:
        runs = [
            run
            for cell in cells
            for run in cell.runs
            if run.replicate == replicate and replicate in cell.values
        ]
        found = covariance(MAIN[0], runs)
        assert found is not None  # balanced accuracy has a closed form
        return {run.job_id: place for place, run in enumerate(runs)}, found

    def of_pair(_: Measure, pair: Sequence[Run]) -> np.ndarray:
        places, matrix = of_all(pair[0].replicate)
        own = [places[run.job_id] for run in pair]
        return matrix[np.ix_(own, own)]

    return of_pair


def gap(gaps: Gaps, first: int, second: int) -> Difference | None:
    """`first` minus `second`, in either order.

    Examples
    --------
    >>> gap({(0, 1): Difference(2.0, -1.0, 5.0, 3)}, 1, 0)
    Difference(mean=-2.0, low=-5.0, high=1.0, pairs=3)
    """
    found = gaps.get((second, first))
    return gaps.get((first, second)) if found is None else found.reversed


def baseline_of(rows: Sequence[Row]) -> Row | None:
    """What others are compared with at first: vanilla, or the first control, or the first.

    None without a method.
    """
    for row in rows:
        if label_and_encoder(row.label)[0] == _FIRST_CHOICE:
            return row
    return next((row for row in rows if row.group == _SECOND_CHOICE), rows[0] if rows else None)


def packed_gaps(gaps: Gaps, rows: Sequence[int]) -> dict[str, list[object]]:
    """`gaps` as the page holds them: rows of the table, and the pairs in rising order.

    A pair is its mean, ends of the interval, number of seeds, and 1 where it is significantly above
    0, -1 where below, 0 where neither, nothing where it has no spread; or nothing.
    """
    places = range(len(rows))
    return {
        "rows": list(rows),
        "gaps": [
            None
            if (found := gap(gaps, first, second)) is None
            else [
                *(round(value, 2) + 0.0 for value in (found.mean, found.low, found.high)),
                found.pairs,
                None if found.significant is None else _SIGNS[found.sign],
            ]
            for first in places
            for second in places
            if first < second
        ],
    }
