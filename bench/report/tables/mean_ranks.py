"""Mean ranks of methods over data sets, and over the tasks of one file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.report.document.numbers import HOLE, fixed
from bench.report.model.cells import Column, Row, Table
from bench.report.model.measures import Measure
from bench.statistics.ranks import Ranks, rank_methods

# A data set that is one of several label columns of a user's file is called FILE:TASK.
_FILE = "csv"
_TASK = ":"

NO_TEST = (
    "Rank 1 is the best. Tasks of one file share molecules, so that their ranks are no independent "
    "evidence, and there is no test of them."
)


@dataclass(frozen=True)
class TaskRanks:
    """Mean ranks over the tasks of one file.

    Attributes
    ----------
    file : str
        What the tasks' names begin with.
    tasks : int
        How many are ranked.
    ranks : tuple of (Row, tuple of float or None)
        The mean rank of a method by each of the measures shown; None where a run is missing.
    """

    file: str
    tasks: int
    ranks: tuple[tuple[Row, tuple[float | None, ...]], ...]

    @property
    def title(self) -> str:
        """What a table of them is called."""
        return f"Mean rank over the {self.tasks} tasks of {self.file}"

    @property
    def lines(self) -> list[tuple[Row, list[str]]]:
        """`ranks` as they are printed; a dash for a missing run."""
        return [
            (row, [HOLE if rank is None else fixed(rank) for rank in ranks])
            for row, ranks in self.ranks
        ]


def rank_rows(
    table: Table,
    measure: Measure,
    columns: Sequence[Column],
    block: Callable[[Column], Hashable],
) -> Ranks:
    """Ranks of the rows of `table` over `columns`; an entry with a missing run has no score.

    Columns of one `block`, and splits, count once, by the mean of their scores.
    """
    places = [
        (split, column)
        for split in table.splits
        for column in table.columns_of(split)
        if column in columns
    ]
    scores = [
        [
            cell.mean
            if (cell := table.cell(split, column, row, measure)) is not None and cell.complete
            else None
            for row in table.rows
        ]
        for split, column in places
    ]
    return rank_methods(
        np.array(scores, dtype=float).reshape(len(places), len(table.rows)),
        [block(column) for _, column in places],
        higher_is_better=measure.higher_is_better,
    )


def task_ranks(table: Table) -> list[TaskRanks]:
    """Mean ranks for each file with several tasks in the table, and several methods."""
    files: dict[str, list[Column]] = {}
    for column in table.columns:
        file, task, _ = column.label.partition(_TASK)
        if column.name == _FILE and task:
            files.setdefault(file, []).append(column)
    return [
        _of_file(table, file, columns)
        for file, columns in files.items()
        if len(columns) > 1 and len(table.rows) > 1
    ]


def _of_file(table: Table, file: str, columns: Sequence[Column]) -> TaskRanks:
    found = [
        rank_rows(table, measure, columns, lambda column: column.label) for measure in table.shown
    ]
    ranks = [dict(zip(of.methods, of.mean_ranks, strict=True)) for of in found]
    return TaskRanks(
        file,
        max(of.datasets for of in found),
        tuple((row, tuple(of.get(place) for of in ranks)) for place, row in enumerate(table.rows)),
    )
