"""Our balanced accuracy against the paper's, and whether chance alone explains the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.metrics import matrix_of_record, recalls
from bench.report.cells import Cell, Table
from bench.report.contradictions import examine
from bench.report.measures import MAIN
from bench.report.numbers import HOLE, fixed
from bench.report.published import PAPER
from bench.report.sheet import (
    Block,
    Entry,
    Sheet,
    Value,
    dataset_heading,
    line,
    marks,
    ours,
    paper,
    plain_headings,
)

Json = Mapping[str, Any]

_BA, _BF1 = MAIN


def comparison(table: Table, records: Sequence[Json]) -> Sheet:
    """Every cell that repeats one of the paper's.

    Parameters
    ----------
    table : Table
        The sweep.
    records : sequence of mapping
        Its complete runs.
    """
    by_id = {record["job_id"]: record for record in records}
    lines, csv_lines, inside = [], [], []
    for split in table.splits:
        for column in table.columns_of(split):
            for row in table.rows_of(split, (column,)):
                cell = table.cell(split, column, row, _BA)
                if cell is None or cell.published is None:
                    continue
                f1 = table.cell(split, column, row, _BF1)
                done = [by_id[run.job_id] for run in cell.runs if run.job_id in by_id]
                error = _error_of_difference(cell, f1.published if f1 else None, done)
                found = None
                if cell.difference is not None and error is not None:
                    found = is_inside(cell.difference, error)
                    inside.append(found)
                said = HOLE if found is None else "inside" if found else "outside"
                lines.append(
                    line(
                        split,
                        dataset_heading(column),
                        row.heading,
                        ours(cell),
                        paper(cell.published),
                        HOLE if cell.difference is None else fixed(cell.difference),
                        HOLE if error is None else fixed(2 * error),
                        Entry(said, "flag" if found is False else "plain"),
                    )
                )
                values: tuple[Value, ...] = (
                    cell.mean, cell.n, cell.expected, cell.published, cell.difference, error,
                    "" if found is None else said, int(cell.failed),
                )  # fmt: skip
                csv_lines.append((column.label, split, row.label, *values))
    headings = ("split", "data set", "method", "BA (ours)", "BA (paper)", "difference",
                "2 standard errors", "difference is")  # fmt: skip
    return Sheet(
        "comparison",
        "Ours against published",
        (
            f"{sum(inside)} of {len(inside)} differences lie inside two standard errors, "
            f"{len(inside) - sum(inside)} outside.",
        ),
        (
            (
                "Standard error",
                "of the difference: the root of the sum of squares of our mean's (deviation over "
                "seeds / root of n; with one run, its sampling error, without what other seeds "
                "would change) and of one published run's.",
            ),
            (
                "Sampling error",
                "binomial: root of the sum over classes of R (1 - R) / n, divided by the number of "
                "classes, with n our test samples of the class and R its recall. Recalls of the "
                "paper's are those that its pair implies, the larger one for the larger class; "
                "where the pair is impossible or there are more than two classes, all are taken "
                "to be equal to BA.",
            ),
            ("Source", f"Table 2 of {PAPER}."),
            *marks(table),
        ),
        (Block("", plain_headings(headings), tuple(lines)),),
        ("dataset", "split", "method", "mean", "n", "expected", "published", "difference",
         "standard_error", "within_two_standard_errors", "failed"),
        tuple(csv_lines),
    )  # fmt: skip


def is_inside(difference: float, error: float) -> bool:
    """Whether a difference is at most two standard errors, the boundary being inside."""
    return abs(difference) <= 2 * error


def sampling_error(recall: np.ndarray, counts: np.ndarray) -> float:
    """Standard error of balanced accuracy over test parts with these numbers of samples.

    The root of sum_k R_k (1 - R_k) / n_k, divided by K: recalls are shares of independent samples.

    Parameters
    ----------
    recall, counts : ndarray, shape (K,)
        R and n of the classes present.

    Examples
    --------
    >>> sampling_error(np.array([0.9, 0.5]), np.array([900, 25]))
    0.05024937810560445
    """
    return float(np.sqrt((recall * (1 - recall) / counts).sum()) / len(recall))


def published_recalls(
    balanced_accuracy: float, balanced_f1: float, sizes: np.ndarray
) -> np.ndarray:
    """What a pair of the paper's, as fractions, says of the recalls of K classes, shape (K,).

    Parameters
    ----------
    sizes : ndarray of int, shape (K,)
        Training samples of each class; the larger of two implied recalls goes to the larger class.
    """
    implied = examine(balanced_accuracy, balanced_f1, len(sizes)).recalls
    if implied is None:
        return np.full(len(sizes), balanced_accuracy)
    return np.array(implied if sizes[0] >= sizes[1] else implied[::-1])


def _error_of_difference(
    cell: Cell, published_f1: float | None, records: Sequence[Json]
) -> float | None:
    """In percentage points; None without a run, whose test part the published one is given."""
    if not records or published_f1 is None or cell.published is None:
        return None
    data = records[0]["data"]
    counts, sizes = np.asarray(data["test_counts"]), np.asarray(data["train_counts"])
    theirs = published_recalls(cell.published / 100, published_f1 / 100, sizes)
    present = counts > 0
    of_published = sampling_error(theirs[present], counts[present])
    if cell.std is None:
        recall = recalls(matrix_of_record(records[0]["confusion"]))
        of_ours = sampling_error(recall[present], counts[present])
    else:
        of_ours = cell.std / 100 / cell.n**0.5
    return 100 * float(np.hypot(of_ours, of_published))
