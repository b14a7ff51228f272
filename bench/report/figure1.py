"""The numbers of Figure 1: samples of each class in training against the accuracy of that class."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.metrics import frequency_groups, matrix_of_record, recalls, wilson_interval
from bench.report.cells import Column, Row, Run, Table
from bench.report.numbers import FAILED, HOLE, fixed, interval
from bench.report.published import PAPER, STAND_INS
from bench.report.sheet import Block, Entry, Sheet, Value, dataset_heading, marks, plain_headings

_DRAWN = "paper"  # the group of methods that the figure shows


def figure1(table: Table, records: Sequence[Mapping[str, Any]]) -> Sheet:
    """Mean recall of every class in percent, by data set, split and method.

    People read the rows of the paper; the CSV file holds all methods.

    Parameters
    ----------
    table : Table
        The sweep.
    records : sequence of mapping
        Its complete runs.
    """
    by_id = {record["job_id"]: record for record in records}
    planned: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in table.runs:
        planned[run.split, run.dataset, run.method].append(run)
    blocks, csv_lines = [], []
    for split in table.splits:
        for column in table.columns_of(split):
            rows = table.rows_of(split, (column,))
            runs = {row.label: planned[split, column.label, row.label] for row in rows}
            done = {
                label: [by_id[run.job_id] for run in of_row if run.job_id in by_id]
                for label, of_row in runs.items()
            }
            blocks.append(_block(split, column, rows, done, runs))
            csv_lines += _csv_lines(split, column, rows, done, runs)
    return Sheet(
        "figure1",
        "Figure 1: samples per class against accuracy per class",
        (),
        (
            ("Accuracy of a class", "its recall on the test part in percent, mean over seeds."),
            (
                "In brackets",
                "of tail classes, the least frequent ones in training: Wilson's 95 % interval by "
                "the test samples of one run, mean over runs. Seeds share samples, so that more of "
                "them narrow it little.",
            ),
            ("Samples", "of the class in the training part, mean over runs; the largest first."),
            (
                "Source",
                f"the figure of {PAPER} prints no numbers, so that none stand beside ours.",
            ),
            *marks(table),
        ),
        tuple(blocks),
        (
            "dataset",
            "split",
            "method",
            "class",
            "train_samples",
            "recall",
            "std",
            "n",
            "expected",
            "group",
            "wilson_low",
            "wilson_high",
            "stands_in_for",
            "failed",
        ),
        tuple(csv_lines),
    )


# Records of complete runs and all planned runs, by label of the method.
Done = Mapping[str, Sequence[Mapping[str, Any]]]
Planned = Mapping[str, Sequence[Run]]


def _block(split: str, column: Column, rows: Sequence[Row], done: Done, planned: Planned) -> Block:
    drawn = [row for row in rows if row.group == _DRAWN]
    classes, samples = _classes(done)
    lines, tail = [], _groups(samples)["tail"]
    for k in sorted(range(len(classes)), key=lambda k: (-samples[k], k)):
        entries = [Entry(classes[k]), Entry(f"{samples[k]:,.0f}", "ours")]
        for row in drawn:
            values, runs = _recalls(done[row.label], k), planned[row.label]
            text = fixed(statistics.fmean(values)) if values else HOLE
            if values and k in tail:
                text += f" [{interval(_wilson(done[row.label], k), 1)}]"
            if len(values) < len(runs):
                text += f" ({len(values)}/{len(runs)})"
            entries.append(Entry(text + FAILED * _has_failed(runs), "ours"))
        lines.append(tuple(entries))
    headings = ["class", "samples", *(row.heading for row in drawn)]
    title = f"{dataset_heading(column)}, {split} split"
    return Block(title, plain_headings(headings), tuple(lines))


def _csv_lines(
    split: str, column: Column, rows: Sequence[Row], done: Done, planned: Planned
) -> list[tuple[Value, ...]]:
    classes, samples = _classes(done)
    lines: list[tuple[Value, ...]] = []
    group_of = {k: name for name, members in _groups(samples).items() for k in members}
    stands_in_for = STAND_INS.get(column.name, "")
    for row in rows:
        for k in sorted(range(len(classes)), key=lambda k: (-samples[k], k)):
            values = _recalls(done[row.label], k)
            low, high = _wilson(done[row.label], k) if values else (None, None)
            lines.append(
                (column.label, split, row.label, classes[k], samples[k],
                 statistics.fmean(values) if values else None,
                 statistics.stdev(values) if len(values) > 1 else None,
                 len(values), len(planned[row.label]), group_of[k], low, high, stands_in_for,
                 int(_has_failed(planned[row.label])))
            )  # fmt: skip
    return lines


def _has_failed(runs: Sequence[Run]) -> bool:
    return any(run.status == "failed" for run in runs)


def _classes(done: Done) -> tuple[list[str], list[float]]:
    """Names of the classes and their training samples, mean over runs; empty without a run."""
    records = [record for of_method in done.values() for record in of_method]
    if not records:
        return [], []
    counts = np.array([record["data"]["train_counts"] for record in records])
    return list(records[0]["data"]["class_names"]), counts.mean(axis=0).tolist()


def _groups(samples: Sequence[float]) -> dict[str, list[int]]:
    """Classes by how often they are trained on, the same for all seeds of a data set."""
    return {name: of.tolist() for name, of in frequency_groups(np.array(samples)).items()}


def _wilson(records: Sequence[Mapping[str, Any]], k: int) -> tuple[float, float]:
    """Wilson's interval of the recall of class k in percent, mean over runs that test it."""
    rows = [matrix_of_record(record["confusion"])[k] for record in records]
    bounds = [wilson_interval(int(row[k]), int(row.sum())) for row in rows if row.any()]
    low, high = 100 * np.mean(bounds, axis=0)
    return float(low), float(high)


def _recalls(records: Sequence[Mapping[str, Any]], k: int) -> list[float]:
    """Recall of class k in percent, of each run in whose test part it is."""
    values = [100.0 * recalls(matrix_of_record(record["confusion"]))[k] for record in records]
    return [float(value) for value in values if not np.isnan(value)]
