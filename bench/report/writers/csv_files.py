"""``table2.csv``, a line a figure; ``runs.csv``, a line a planned run; and the reports."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from bench.plain_text import visible
from bench.report.document.numbers import fixed
from bench.report.document.report import Report, Value
from bench.report.model import measures
from bench.report.model.cells import Cell, Column, Row, Run, Table
from bench.report.model.classes import classes_used
from bench.report.model.command import command
from bench.report.model.measures import Measure
from bench.report.model.published import STAND_INS
from bench.report.model.tail import tail_interval

_TABLE2_HEADER = [
    "dataset", "split", "method", "title", "metric", "mean", "std", "n", "published", "difference",
    "low", "high", "in_best_group", "expected", "failed", "wilson_low", "wilson_high",
    "stands_in_for", "classes_used", "classes", "backbone",
]  # fmt: skip
_TABLE2_DECIMALS = 4
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?")


def table2_csv(table: Table) -> str:
    """Means over seeds: balanced accuracy and F1 of all cells, then further figures.

    Shares are in percent. Figures beyond the usual ones are there where they were asked for.

    A planned cell without a result keeps its line, with n = 0. ``low`` and ``high`` are the 95 %
    interval of the mean, ``in_best_group`` is empty where nothing could be tested, and the interval
    of Wilson, by the test samples of a run, is that of tail classes. ``classes_used``, the fewest
    of a run, is below ``classes`` where classes without test samples are left out of a mean.
    """
    lines = [
        [
            _text(column.label),
            _text(split),
            _text(row.label),
            _text(row.heading),
            measure.name,
            _number(cell.mean),
            _number(cell.std),
            str(cell.n),
            _number(cell.published),
            _number(cell.difference),
            *_bounds(cell.interval),
            _in_best_group(table, split, column, row, measure),
            str(cell.expected),
            str(sum(run.status == "failed" for run in cell.runs)),
            *_bounds(tail_interval(cell)),
            _stands_in_for(column),
            *_classes(cell),
            _text(row.encoder),
        ]
        for chosen in (measures.MAIN, measures.FURTHER, table.measures[len(measures.ALL) :])
        for split in table.splits
        for column in table.columns
        for row in table.rows
        for measure in chosen
        if (cell := table.cell(split, column, row, measure)) is not None
    ]
    return csv_text(_TABLE2_HEADER, lines)


def runs_csv(table: Table) -> str:
    """Every planned run with its figures as recorded: fractions in full precision."""
    metrics = _metrics(table.runs)
    header = [
        "dataset", "split", "method", "seed", "status", *metrics,
        "selected_epoch", "valid_balanced_accuracy", "epochs", "seconds", "parameters", "device",
        "split_hash", "data_sha256", "job_id", "reason",
        "stands_in_for", "earlier_code", "backbone", "command",
    ]  # fmt: skip
    encoders = {row.label: row.encoder for row in table.rows}
    stands_in_for = {column.label: _stands_in_for(column) for column in table.columns}
    lines = (
        [
            *_run(run, metrics),
            stands_in_for[run.dataset],
            _earlier_code(run),
            _text(encoders[run.method]),
            _command(table, run),
        ]
        for run in table.runs
    )
    return csv_text(header, lines)


def report_csv(report: Report) -> str:
    """The figures of a report: text, whole numbers, others with four places, nothing for None."""
    return csv_text(
        report.csv_header, ([_value(value) for value in line] for line in report.csv_lines)
    )


def _metrics(runs: Iterable[Run]) -> list[str]:
    """The figures tables print, then whatever else a record holds, by the alphabet."""
    known = [measure.name for measure in measures.ALL]
    recorded = {name for run in runs if run.result is not None for name in run.result.metrics}
    return known + sorted(recorded.difference(known))


def _run(run: Run, metrics: Sequence[str]) -> list[str]:
    facts: list[object] = [None] * (len(metrics) + 8)
    if run.result is not None:
        result = run.result
        facts = [
            *(result.metrics.get(name) for name in metrics),
            result.selected_epoch,
            result.valid_balanced_accuracy,
            result.epochs,
            result.seconds,
            result.parameters,
            _text(result.device),
            result.split_hash,
            result.data_sha256,
        ]
    return [
        *(_text(part) for part in (run.dataset, run.planned_split, run.method)),
        str(run.seed),
        run.status,
        *("" if fact is None else str(fact) for fact in facts),
        run.job_id,
        _text(run.reason or ""),
    ]


def _command(table: Table, run: Run) -> str:
    """The shell command that repeats a run, or nothing where it is not known."""
    return command(table.settings, run.dataset, run.planned_split, run.method, [run.seed]) or ""


def _earlier_code(run: Run) -> str:
    """Files that have changed since the run, which was kept; nothing where none has."""
    return "" if run.changed is None else _text(" ".join(run.changed) or "not recorded")


def _in_best_group(table: Table, split: str, column: Column, row: Row, measure: Measure) -> str:
    leaders = table.best_set(split, column, measure)
    if leaders is None or row.label not in leaders.methods:
        return ""
    return "yes" if row.label in leaders.members else "no"


def _stands_in_for(column: Column) -> str:
    """The paper's data set in whose place this one stands, or nothing."""
    return STAND_INS.get(column.name, "")


def _classes(cell: Cell) -> tuple[str, str]:
    found = classes_used(cell)
    return ("", "") if found is None else (str(found[0]), str(found[2]))


def _bounds(bounds: tuple[float, float] | None) -> tuple[str, str]:
    return ("", "") if bounds is None else (_number(bounds[0]), _number(bounds[1]))


def _number(value: float | None) -> str:
    return "" if value is None else fixed(value, _TABLE2_DECIMALS)


def _value(value: Value) -> str:
    if isinstance(value, str):
        return _text(value)
    return str(value) if isinstance(value, int) else _number(value)


def _text(value: str) -> str:
    """`value` on one line."""
    return " ".join(value.split())


def csv_text(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Lines as CSV, without a text that a spreadsheet takes for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for cells in (header, *lines):
        writer.writerow(map(_cell, cells))
    return out.getvalue()


def _cell(text: str) -> str:
    """`text` with an apostrophe before what a spreadsheet takes for a formula."""
    shown = visible(text)
    is_formula = shown.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(shown)
    return f"'{shown}" if is_formula else shown
