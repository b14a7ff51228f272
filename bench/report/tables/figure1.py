"""The numbers of Figure 1: samples of each class in training against the accuracy of that class."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its `stats`, which takes long to import, is imported when it is used

from bench.metrics import frequency_groups, matrix_of_record, recalls, wilson_interval
from bench.report.document.numbers import FAILED, HOLE, fixed, interval
from bench.report.document.report import (
    Entry,
    Report,
    Section,
    Value,
    dataset_heading,
    marks,
    plain_headings,
)
from bench.report.model.cells import Column, Row, Run, Table
from bench.report.model.many_classes import MOST_CLASSES_SHOWN, ends_by_size
from bench.report.model.published import PAPER, STAND_INS

_DRAWN = "paper"  # the group of methods that the figure shows
_CORRELATION = "rank correlation with samples"
_ENDS = 10  # of many classes, so many of the largest and of the smallest


@dataclass(frozen=True)
class _Tested:
    """A complete run: its record, and of each class test samples, those it had right, recall."""

    record: Mapping[str, Any]
    samples: np.ndarray
    right: np.ndarray
    recall: np.ndarray


def _tested(record: Mapping[str, Any]) -> _Tested:
    matrix = matrix_of_record(record["confusion"])
    return _Tested(record, matrix.sum(axis=1), np.diag(matrix).copy(), 100.0 * recalls(matrix))


def figure1(table: Table, records: Sequence[Mapping[str, Any]]) -> Report:
    """Mean recall of every class in percent, by data set, split and method.

    People read the rows of the paper and, of many classes, the largest and the smallest; the CSV
    file holds all methods and classes.

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
                label: [_tested(by_id[run.job_id]) for run in of_row if run.job_id in by_id]
                for label, of_row in runs.items()
            }
            blocks.append(_block(split, column, rows, done, runs))
            csv_lines += _csv_lines(split, column, rows, done, runs)
    return Report(
        "figure1",
        "Figure 1: samples per class against accuracy per class",
        (),
        (
            ("Accuracy of a class", "its recall on the test set in percent, mean over seeds."),
            (
                "In brackets",
                "of tail classes, the least frequent ones in training: Wilson's 95 % interval by "
                "the test samples of one run, mean over runs. Seeds share samples, so that more of "
                "them narrow it little.",
            ),
            ("Samples", "of the class in the training set, mean over runs; the largest first."),
            (
                "Rank correlation with samples",
                "Spearman's, over all classes: 1 where each larger class is recognised better, 0 "
                "where size says nothing.",
            ),
            (
                "Source",
                f"the figure of {PAPER} prints no numbers, so that none stand beside ours.",
            ),
            *_left_out(records),
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


def _left_out(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    if all(len(record["data"]["class_names"]) <= MOST_CLASSES_SHOWN for record in records):
        return []
    return [
        (
            "Many classes",
            f"of more than {MOST_CLASSES_SHOWN} classes, the {_ENDS} largest in training and the "
            f"{_ENDS} smallest; figure1.csv holds all.",
        )
    ]


# Complete runs and all planned runs, by label of the method.
Done = Mapping[str, Sequence[_Tested]]
Planned = Mapping[str, Sequence[Run]]


def _block(
    split: str, column: Column, rows: Sequence[Row], done: Done, planned: Planned
) -> Section:
    drawn = [row for row in rows if row.group == _DRAWN]
    classes, samples = _classes(done)
    lines, tail = [], set(_groups(samples)["tail"])
    shown = sorted(range(len(classes)), key=lambda k: (-samples[k], k))
    if len(classes) > MOST_CLASSES_SHOWN:
        largest, smallest = ends_by_size(np.array(samples), _ENDS)
        shown = [*largest.tolist(), *smallest.tolist()]
    for k in shown:
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
    if len(classes) > 2:
        found = [_rank_correlation(samples, done[row.label]) for row in drawn]
        lines.append((Entry(_CORRELATION), Entry(""), *(Entry(text, "ours") for text in found)))
    headings = ["class", "samples", *(row.heading for row in drawn)]
    title = f"{dataset_heading(column)}, {split} split"
    return Section(title, plain_headings(headings), tuple(lines))


def _rank_correlation(samples: Sequence[float], runs: Sequence[_Tested]) -> str:
    """Spearman's, over the classes, of training samples and recall."""
    means = {k: statistics.fmean(own) for k in range(len(samples)) if (own := _recalls(runs, k))}
    if len(set(means.values())) < 2:  # of equal recalls there is no order
        return HOLE
    return fixed(float(scipy.stats.spearmanr([samples[k] for k in means], list(means.values()))[0]))


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
    records = [run.record for of_method in done.values() for run in of_method]
    if not records:
        return [], []
    counts = np.array([record["data"]["train_counts"] for record in records])
    return list(records[0]["data"]["class_names"]), counts.mean(axis=0).tolist()


def _groups(samples: Sequence[float]) -> dict[str, list[int]]:
    """Classes by how often they are trained on, the same for all seeds of a data set."""
    return {name: of.tolist() for name, of in frequency_groups(np.array(samples)).items()}


def _wilson(runs: Sequence[_Tested], k: int) -> tuple[float, float]:
    """Wilson's interval of the recall of class k in percent, mean over runs that test it."""
    bounds = [wilson_interval(int(run.right[k]), int(n)) for run in runs if (n := run.samples[k])]
    low, high = 100 * np.mean(bounds, axis=0)
    return float(low), float(high)


def _recalls(runs: Sequence[_Tested], k: int) -> list[float]:
    """Recall of class k in percent, of each run in whose test set it is."""
    return [float(run.recall[k]) for run in runs if not np.isnan(run.recall[k])]
