"""Table 2 as Markdown, in the paper's layout: a block a split, a row a method."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

from tabulate import tabulate

from bench.plain_text import visible
from bench.report.document.caption import caption
from bench.report.document.document import dataset_heading
from bench.report.document.numbers import (
    FAILED,
    HOLE,
    figure,
    fixed,
    interval,
    published,
    share,
    split_heading,
)
from bench.report.model import measures
from bench.report.model.cells import GROUPS, Cell, Row, Run, Table, first_results
from bench.report.model.costs import measured_elsewhere, seconds_with_required
from bench.report.model.measures import Measure, unit
from bench.report.model.tail import tail_interval
from bench.report.tables.mean_ranks import NO_TEST, task_ranks

# An underscore inside a word is plain text in Markdown, and names are full of them.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$&#]|(?<![^\W_])_|_(?![^\W_])")
_SHORT_HASH = 12

Marks = dict[tuple[str, str, str], str]


def markdown(table: Table) -> str:
    """The whole report as text."""
    marks = _failure_marks(table)
    parts = ["# Results in the layout of Table 2", *_in_short(table), bullets(caption(table))]
    for split in table.splits:
        parts += [
            f"## {escape(split_heading(split))}",
            _block(table, split, table.shown, marks),
        ]
    parts += _task_ranks(table)
    parts += _intervals(table)
    if table.shown == measures.MAIN:
        parts += _further(table, marks)
    parts += ["## Time", *_times(table)]
    if marks:
        parts += ["## Failed runs", bullets(_failures(table, marks))]
    parts += ["## Data and splits", *_provenance(table)]
    return "\n\n".join(parts) + "\n"


def _in_short(table: Table) -> list[str]:
    """What to use, to avoid and to trust on each data set, by balanced accuracy."""
    judged = [verdict for verdict in table.verdicts if verdict.parts]
    if not judged:
        return []
    parts = ["## In short", "By balanced accuracy, whatever the columns below show."]
    for verdict in judged:
        lines = [(heading, one.text) for heading, own in verdict.parts for one in own]
        parts += [f"### {escape(verdict.label)}", bullets(lines)]
    return [*parts, "## How to read the table"]


def _further(table: Table, marks: Marks) -> list[str]:
    parts = [
        "## Further figures",
        "In percent, laid out as above. AUROC is the mean over classes of one class against the "
        "rest. Head, middle and tail are mean recalls of the most, the medium and the least "
        "frequent classes of the training part. In brackets behind the tail: Wilson's 95 % "
        "interval by the test samples of one run, mean over runs, of several classes as Zou and "
        "Donner (2008) combine theirs.",
    ]
    for split in table.splits:
        parts += [
            f"### {escape(split_heading(split))}",
            _block(table, split, measures.AUROC, marks),
            _block(table, split, measures.GROUP_RECALL, marks),
        ]
    return parts


def _block(table: Table, split: str, chosen: Sequence[Measure], marks: Marks) -> str:
    columns = table.columns_of(split)
    headings, shown = ["Method"], []
    for column in columns:
        for measure in chosen:
            best = table.best(split, column, measure, measure.decimals)
            with_paper = table.has_published(split, column, measure)
            shown.append((column, measure, best, with_paper))
            headings.append(f"{escape(dataset_heading(column))} {measure.heading}")
            if with_paper:
                headings.append("paper")
    lines = []
    groups = [(group, list(rows)) for group, rows in groupby(table.rows_of(split, columns), _group)]
    for group, rows in groups:
        if len(groups) > 1:
            heading = GROUPS.get(group, group.capitalize())
            lines.append([f"*{escape(heading)}*", *[""] * (len(headings) - 1)])
        for row in rows:
            line = [escape(row.heading)]
            for column, measure, best, with_paper in shown:
                cell = table.cell(split, column, row, measure)
                mark = marks.get((split, column.label, row.label), "")
                line.append(_figure(cell, row.label in best) + mark)
                if with_paper:
                    line.append("" if cell is None else _italic(published(cell)))
            lines.append(line)
    return pipes(headings, lines)


def _group(row: Row) -> str:
    return row.group


def _figure(cell: Cell | None, bold: bool) -> str:
    if cell is None:
        return HOLE
    text = (f"**{figure(cell)}**" if bold else figure(cell)) + share(cell)
    bounds = tail_interval(cell)
    return text if bounds is None else rf"{text} \[{interval(bounds, 1)}\]"


def _italic(text: str) -> str:
    return text and f"*{text}*"


def _task_ranks(table: Table) -> list[str]:
    """Of each file with several tasks."""
    parts = []
    for found in task_ranks(table):
        lines = [[escape(row.heading), *ranks] for row, ranks in found.lines]
        parts += [
            f"## {escape(found.title)}",
            NO_TEST,
            pipes(["Method", *(measure.heading for measure in table.shown)], lines),
        ]
    return parts


def _intervals(table: Table) -> list[str]:
    """Of the means of the main figures; nothing where no cell has two runs that differ."""
    if not any(cell.interval for cell in table.cells.values()):
        return []
    parts = [
        "## 95 % intervals",
        f"Of the mean over seeds by Student's t, in {unit(table.shown)}. Seeds split the same data "
        f"anew, so that they are a little too narrow{_but_of_folds(table)}. There is no interval, "
        "but a dash, for a single seed and where all seeds agree by chance. Whether two methods "
        "differ is said by bold above, not by intervals that overlap.",
    ]
    for split in table.splits:
        columns = table.columns_of(split)
        shown = [(column, measure) for column in columns for measure in table.shown]
        headings = [f"{escape(dataset_heading(c))} {measure.heading}" for c, measure in shown]
        lines = []
        for row in table.rows_of(split, columns):
            cells = [table.cell(split, column, row, measure) for column, measure in shown]
            bounds = [
                interval(None if cell is None else cell.interval, measure.decimals)
                for cell, (_, measure) in zip(cells, shown, strict=True)
            ]
            lines.append([escape(row.heading), *bounds])
        parts += [f"### {escape(split_heading(split))}", pipes(["Method", *headings], lines)]
    return parts


def _but_of_folds(table: Table) -> str:
    """What else intervals of cross-validation are, where there is any."""
    if all(run.fold is None for run in table.runs):
        return ""
    return "; those of folds are corrected for the samples that runs share"


def _failure_marks(table: Table) -> Marks:
    """A numbered mark for each (split, data set, method) with a failed run, in printing order."""
    failed = [(run.split, run.dataset, run.method) for run in table.runs if run.status == "failed"]
    return {key: f" {FAILED}{number}" for number, key in enumerate(dict.fromkeys(failed), start=1)}


def _failures(table: Table, marks: Marks) -> list[tuple[str, str]]:
    lines = []
    for run in table.runs:
        if run.status == "failed":
            mark = marks[run.split, run.dataset, run.method].strip()
            where = f"{run.dataset} / {run.planned_split} / {run.method} / seed {run.seed}"
            lines.append((mark, f"{where}: {run.reason} (job {run.job_id})"))
    return lines


def _times(table: Table) -> list[str]:
    costs = seconds_with_required(table)
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in table.runs:
        if run.job_id in costs:
            seconds[run.method, run.dataset].append(costs[run.job_id])
    devices = sorted({run.result.device for run in table.runs if run.result is not None})
    lines = [
        [
            escape(row.heading),
            *(
                fixed(statistics.fmean(seconds[row.label, column.label]), 1)
                if seconds[row.label, column.label]
                else HOLE
                for column in table.columns
            ),
        ]
        for row in table.rows
    ]
    return [
        "Mean wall-clock seconds of a complete run, with those of the runs it builds on, over all "
        f"splits and seeds, on: {escape(', '.join(devices)) or 'no device'}."
        + _measured_elsewhere(table),
        pipes(["Method", *(escape(dataset_heading(c)) for c in table.columns)], lines),
    ]


def _measured_elsewhere(table: Table) -> str:
    """Of which methods the times are another machine's."""
    elsewhere = measured_elsewhere(table)
    rows = {run.method for run in table.runs if run.job_id in elsewhere}
    names = [escape(row.heading) for row in table.rows if row.label in rows]
    if not names:
        return ""
    source = escape(table.settings["joined"]["source"])
    return (
        f" Those of {', '.join(names)} were measured on another machine (runs joined from "
        f"{source}): compare them with each other only."
    )


def _provenance(table: Table) -> list[str]:
    headings = {column.label: escape(dataset_heading(column)) for column in table.columns}
    files = [
        [
            headings[dataset],
            escape(result.data_file),
            result.data_sha256[:_SHORT_HASH],
            f"{result.samples:,}",
            f"{result.unusable:,}",
        ]
        for dataset, result in first_results(table.runs, lambda run: run.dataset).items()
    ]
    splits = [
        [
            headings[dataset],
            escape(split),
            str(seed) if fold is None else f"{seed}, fold {fold}",
            result.split_hash[:_SHORT_HASH],
            *(f"{size:,}" for size in result.parts),
        ]
        for (dataset, split, seed, fold), result in sorted(
            first_results(table.runs, _split_of).items(),
            key=lambda item: _split_place(table, item[0]),
        )
    ]
    return [
        f"Hashes are sha256, their first {_SHORT_HASH} digits; `runs.csv` has them in full, with "
        "the job behind every figure.",
        pipes(["Data set", "file", "sha256", "samples", "rows left out"], files),
        pipes(["Data set", "split", "seed", "split hash", "train", "valid", "test"], splits),
    ]


def _split_of(run: Run) -> tuple[str, str, int, int | None]:
    return run.dataset, run.split, run.seed, run.fold


def _split_place(table: Table, key: tuple[str, str, int, int | None]) -> tuple[int, ...]:
    dataset, split, seed, fold = key
    labels = [column.label for column in table.columns]
    return labels.index(dataset), table.splits.index(split), seed, fold or 0


def pipes(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table, its first column to the left and the others to the right."""
    alignment = ["left", *["right"] * (len(headings) - 1)]
    return tabulate(lines, headings, tablefmt="pipe", disable_numparse=True, colalign=alignment)


def bullets(pairs: Sequence[tuple[str, str]]) -> str:
    """A list of subjects and what is said of each."""
    return "\n".join(f"- **{escape(subject)}**: {escape(text)}" for subject, text in pairs)


def escape(text: str) -> str:
    """`text` as one line that Markdown prints as it stands."""
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(text.split())))
