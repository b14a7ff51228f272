"""The paper's balanced accuracy against ours: whether it could be one more run of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.metrics import matrix_of_record, recalls
from bench.report.document.numbers import HOLE, fixed, interval
from bench.report.document.report import (
    Entry,
    Report,
    Section,
    Value,
    dataset_heading,
    line,
    marks,
    ours,
    paper,
    plain_headings,
)
from bench.report.model.cells import Cell, Table
from bench.report.model.measures import MAIN
from bench.report.model.published import PAPER
from bench.statistics import prediction_interval

Json = Mapping[str, Any]

_BA = MAIN[0]
_ONE_RUN = "one run: no interval"


def comparison(table: Table, records: Sequence[Json]) -> Report:
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
                done = [by_id[run.job_id] for run in cell.runs if run.job_id in by_id]
                bounds = _interval_of_one_run(cell, done)
                found = None
                if bounds is not None:
                    found = bounds[0] <= cell.published <= bounds[1]
                    inside.append(found)
                said = HOLE if cell.n == 0 else _ONE_RUN
                if found is not None:
                    said = "inside" if found else "outside"
                lines.append(
                    line(
                        split,
                        dataset_heading(column),
                        row.heading,
                        ours(cell),
                        paper(cell.published),
                        HOLE if cell.difference is None else fixed(cell.difference),
                        interval(bounds),
                        Entry(said, "flag" if found is False else "plain"),
                    )
                )
                values: tuple[Value, ...] = (
                    cell.mean, cell.n, cell.expected, cell.published, cell.difference,
                    *(bounds or (None, None)), "" if cell.n == 0 else said, int(cell.failed),
                )  # fmt: skip
                csv_lines.append((column.label, split, row.label, *values))
    headings = ("split", "data set", "method", "BA (ours)", "BA (paper)", "difference",
                "95 % of single runs", "published figure is")  # fmt: skip
    return Report(
        "comparison",
        "Ours against published",
        (_counted(inside, sum(text[-1].text == _ONE_RUN for text in lines)),),
        (
            (
                "95 % of single runs",
                "the prediction interval of one new run of ours: mean ± t(n - 1) s root(1 / n + 1) "
                "with the deviation s of our n runs. s holds what splits, training and test "
                "samples change, of the published run as of ours. Test sets that overlap make runs "
                "alike, the published one as ours if it drew its split from the same data, and "
                "what all have in common shifts all of them. s is taken to be the sampling error "
                "of one run at least, times root(1 - rho) with rho = r / (1 + r) and r = n_test / "
                "n_train, as that much two runs of overlapping test sets differ by samples alone.",
            ),
            (
                "Inside",
                "the published figure could be one more run of ours. As few seeds make wide "
                "intervals, it does not say that the two agree.",
            ),
            (
                "Sampling error",
                "binomial: root of the sum over classes of R (1 - R) / n, divided by the number of "
                "classes, with n our test samples of the class and R its recall, squares averaged "
                "over runs.",
            ),
            ("Source", f"Table 2 of {PAPER}."),
            *marks(table),
        ),
        (Section("", plain_headings(headings), tuple(lines)),),
        ("dataset", "split", "method", "mean", "n", "expected", "published", "difference",
         "low", "high", "within_prediction_interval", "failed"),
        tuple(csv_lines),
    )  # fmt: skip


def _counted(inside: Sequence[bool], single: int) -> str:
    text = (
        f"{sum(inside)} of {len(inside)} published figures lie inside the 95 % prediction interval "
        f"of one new run of ours, {len(inside) - sum(inside)} outside."
    )
    if single:
        text += (
            f" Of {single} more we have one trained run only, from which no interval can be made."
        )
    return text


def sampling_error(recall: np.ndarray, counts: np.ndarray) -> float:
    """Standard error of balanced accuracy over test sets with these numbers of samples.

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


def _interval_of_one_run(cell: Cell, records: Sequence[Json]) -> tuple[float, float] | None:
    """In percent; None below two runs."""
    if len(records) < 2:
        return None
    squares = []
    for record in records:
        counts = np.asarray(record["data"]["test_counts"])
        recall = recalls(matrix_of_record(record["confusion"]))
        squares.append(sampling_error(recall[counts > 0], counts[counts > 0]) ** 2)
    # 1 - rho = 1 / (1 + r).
    ratio = next(run.result.test_to_train for run in cell.runs if run.result is not None)
    apart = 1 / (1 + ratio)
    least = 100 * float(np.sqrt(apart * np.mean(squares)))
    bounds = prediction_interval(list(cell.values.values()), least)
    return bounds and (max(bounds[0], 0.0), min(bounds[1], 100.0))
