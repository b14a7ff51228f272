"""What figures and the page are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.metrics import matrix_of_record, recalls
from bench.report.model.cells import Column, Row, Table
from bench.report.model.many_classes import MOST_CLASSES_SHOWN

Json = Mapping[str, Any]

# What every other method is compared with.
BASELINE = "vanilla"


@dataclass(frozen=True)
class Source:
    """A sweep and what came of it.

    Attributes
    ----------
    table : Table
        Plan and results, checked; the order in which everything is shown.
    records : mapping of str to mapping
        Job id to the record of a complete run.
    """

    table: Table
    records: Mapping[str, Json]

    def places(self) -> list[tuple[str, Column]]:
        """Every split of every data set on which runs are planned, in printing order."""
        table = self.table
        return [(split, column) for split in table.splits for column in table.columns_of(split)]

    def rows(self, split: str, column: Column) -> tuple[Row, ...]:
        """The methods planned there, in printing order."""
        return self.table.rows_of(split, [column])

    def runs(self, split: str, column: Column, row: Row) -> dict[int, Json]:
        """Seed, and fold if any, to the record of each complete run: see `Run.replicate`."""
        return {
            run.replicate: self.records[run.job_id]
            for run in self.table.runs
            if (run.split, run.dataset, run.method) == (split, column.label, row.label)
            and run.status == "complete"
        }

    def heading(self, split: str, column: Column, row: Row) -> str:
        """The method, with its share of complete runs where one is missing or failed."""
        status = [
            run.status
            for run in self.table.runs
            if (run.split, run.dataset, run.method) == (split, column.label, row.label)
        ]
        complete = status.count("complete")
        if complete == len(status):
            return row.heading
        cause = "failed" if "failed" in status else "missing"
        return f"{row.heading} ({complete}/{len(status)}, {cause})"


def source_of_table(table: Table, records: Sequence[Json]) -> Source:
    """The source of a table that is made of these records."""
    return Source(table, {record["job_id"]: record for record in records})


def class_recalls(record: Json) -> np.ndarray:
    """Recall of each class in percent, shape (K,); nan without test samples."""
    return 100 * recalls(matrix_of_record(record["confusion"]))


def has_many_classes(record: Json) -> bool:
    """Whether none of its classes has a bar, a cell or a row of its own."""
    return len(record["data"]["train_counts"]) > MOST_CLASSES_SHOWN


def mean_over_runs(values: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the runs that have a value, shape (K,); nan where none has one."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    sums = np.where(known, stacked, 0.0).sum(axis=0)
    runs = known.sum(axis=0)
    return np.divide(sums, runs, out=np.full(sums.shape, np.nan), where=runs > 0)


def mean_and_deviation(values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """:func:`mean_over_runs`, and the deviation of the same values with ddof 1.

    It is nan of a single value, and None of a single run.
    """
    mean, stacked = mean_over_runs(values), np.stack(values)
    if len(values) < 2:
        return mean, None
    squares = np.nansum((stacked - mean) ** 2, axis=0)
    more = np.count_nonzero(~np.isnan(stacked), axis=0) - 1
    return mean, np.sqrt(np.divide(squares, more, out=np.full(mean.shape, np.nan), where=more > 0))


def by_class_size(record: Json) -> np.ndarray:
    """Class indices, the largest in training first, equal ones by index; shape (K,)."""
    return np.argsort(-np.asarray(record["data"]["train_counts"]), kind="stable")
