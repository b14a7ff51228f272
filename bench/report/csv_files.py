"""``table2.csv``, a line a figure; ``runs.csv``, a line a planned run; and the sheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from bench.report import measures
from bench.report.cells import Run, Table
from bench.report.numbers import fixed
from bench.report.sheet import Sheet, Value

_TABLE2_HEADER = [
    "dataset", "split", "method", "title", "metric", "mean", "std", "n", "published", "difference",
]  # fmt: skip
_TABLE2_DECIMALS = 4
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")


def table2_csv(table: Table) -> str:
    """Means over seeds in percent: balanced accuracy and F1 of all cells, then further figures.

    A planned cell without a result keeps its line, with n = 0.
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
        ]
        for chosen in (measures.MAIN, measures.FURTHER)
        for split in table.splits
        for column in table.columns
        for row in table.rows
        for measure in chosen
        if (cell := table.cell(split, column, row, measure)) is not None
    ]
    return _csv(_TABLE2_HEADER, lines)


def runs_csv(table: Table) -> str:
    """Every planned run with its figures as recorded: fractions in full precision."""
    metrics = _metrics(table.runs)
    header = [
        "dataset", "split", "method", "seed", "status", *metrics,
        "selected_epoch", "valid_balanced_accuracy", "epochs", "seconds", "parameters", "device",
        "split_hash", "data_sha256", "job_id", "reason",
    ]  # fmt: skip
    return _csv(header, (_run(run, metrics) for run in table.runs))


def sheet_csv(sheet: Sheet) -> str:
    """The figures of a sheet: text, whole numbers, others with four places, nothing for None."""
    return _csv(sheet.csv_header, ([_value(value) for value in line] for line in sheet.csv_lines))


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
        *(_text(part) for part in (run.dataset, run.split, run.method)),
        str(run.seed),
        run.status,
        *("" if fact is None else str(fact) for fact in facts),
        run.job_id,
        _text(run.reason or ""),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else fixed(value, _TABLE2_DECIMALS)


def _value(value: Value) -> str:
    if isinstance(value, str):
        return _text(value)
    return str(value) if isinstance(value, int) else _number(value)


def _text(value: str) -> str:
    """`value` on one line, with an apostrophe before what a spreadsheet takes for a formula."""
    line = " ".join(value.split())
    return f"'{line}" if line.startswith(_FORMULA) else line


def _csv(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue()
