"""Table 2: what the paper's layout holds, and in full all that is known of a sweep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

from bench.report.document.caption import caption
from bench.report.document.numbers import FAILED, HOLE, fixed, interval, split_heading
from bench.report.document.report import (
    Entry,
    Heading,
    Report,
    Section,
    dataset_heading,
    failed_runs,
    line,
    ours,
    paper,
    plain_headings,
)
from bench.report.model import measures
from bench.report.model.cells import GROUPS, Row, Run, Table, first_results
from bench.report.model.costs import mean_seconds, seconds_with_required
from bench.report.model.measures import Measure, unit
from bench.report.model.sampling_variance import splits_of_one_test_set
from bench.report.tables.mean_ranks import NO_TEST, task_ranks

_SHORT_HASH = 12

# Of a (split, data set label, method label) with a failed run: what stands behind its figures.
Marks = dict[tuple[str, str, str], str]


def table2_report(table: Table) -> Report:
    """Balanced accuracy and balanced F1 of every method, or what else is shown.

    A section a split, a line a method, and under each data set our figures beside the paper's.
    """
    return Report(
        "table2",
        "Table 2: results",
        (),
        (*caption(table), *failed_runs(table)),
        tuple(
            _section(table, split, table.shown, {}, title=f"{split} split")
            for split in table.splits
        ),
        (),
        (),
    )


def table2_document(table: Table) -> Report:
    """The same with the verdict, intervals, further figures, times, failures and provenance."""
    marks = _failure_marks(table)
    sections: list[Section] = _in_short(table)
    for split in table.splits:
        sections.append(_section(table, split, table.shown, marks, title=split_heading(split)))
    sections += _task_ranks(table)
    sections += _intervals(table)
    if table.shown == measures.MAIN:
        sections += _further(table, marks)
    sections += _times(table)
    if marks:
        sections.append(Section("Failed runs", notes=tuple(_failures(table, marks))))
    sections += _provenance(table)
    return Report("table2", "Results in the layout of Table 2", (), (), tuple(sections), (), ())


def _in_short(table: Table) -> list[Section]:
    """What to use, to avoid and to trust on each data set, by balanced accuracy; the caption."""
    judged = [verdict for verdict in table.verdicts if verdict.parts]
    if not judged:
        return [Section("", notes=tuple(caption(table)))]
    return [
        Section("In short", paragraphs=("By balanced accuracy, whatever the columns below show.",)),
        *(
            Section(
                verdict.label,
                notes=tuple((heading, one.text) for heading, own in verdict.parts for one in own),
                level=3,
            )
            for verdict in judged
        ),
        Section("How to read the table", notes=tuple(caption(table))),
    ]


def _further(table: Table, marks: Marks) -> list[Section]:
    sections: list[Section] = [
        Section(
            "Further figures",
            paragraphs=(
                "In percent, laid out as above. AUROC is the mean over classes of one class "
                "against the rest. Head, middle and tail are mean recalls of the most, the medium "
                "and the least frequent classes of the training set. In brackets behind the tail: "
                "Wilson's 95 % interval by the test samples of one run, mean over runs, of several "
                "classes as Zou and Donner (2008) combine theirs.",
            ),
        )
    ]
    for split in table.splits:
        sections += [
            _section(table, split, measures.AUROC, marks, title=split_heading(split), level=3),
            _section(table, split, measures.GROUP_RECALL, marks),
        ]
    return sections


def _section(
    table: Table,
    split: str,
    chosen: Sequence[Measure],
    marks: Marks,
    *,
    title: str = "",
    level: int = 2,
) -> Section:
    columns = table.columns_of(split)
    headings = [Heading("Method")]
    shown = []
    for column in columns:
        for measure in chosen:
            with_paper = table.has_published(split, column, measure)
            best = table.best(split, column, measure)
            shown.append((column, measure, best, with_paper))
            headings.append(Heading(measure.heading, dataset_heading(column)))
            if with_paper:
                headings.append(Heading("paper", dataset_heading(column), companion=True))
    lines: list[tuple[Entry, ...]] = []
    groups = [(group, list(rows)) for group, rows in groupby(table.rows_of(split, columns), _group)]
    for group, rows in groups:
        if len(groups) > 1:
            lines.append((Entry(GROUPS.get(group, group.capitalize()), "category"),))
        for row in rows:
            entries = [Entry(row.heading)]
            for column, measure, best, with_paper in shown:
                cell = table.cell(split, column, row, measure)
                mark = marks.get((split, column.label, row.label), FAILED)
                entries.append(ours(cell, best=row.label in best, mark=mark))
                if with_paper:
                    entries.append(paper(None if cell is None else cell.published))
            lines.append(tuple(entries))
    return Section(title, tuple(headings), tuple(lines), level=level)


def _group(row: Row) -> str:
    return row.group


def _task_ranks(table: Table) -> list[Section]:
    """Of each file with several tasks."""
    headings = plain_headings(["Method", *(measure.heading for measure in table.shown)])
    return [
        Section(
            found.title,
            headings,
            tuple(line(row.heading, *ranks) for row, ranks in found.lines),
            paragraphs=(NO_TEST,),
        )
        for found in task_ranks(table)
    ]


def _intervals(table: Table) -> list[Section]:
    """Of the means of the main figures; nothing where no entry has two runs that differ."""
    if not any(cell.interval for cell in table.cells.values()):
        return []
    said = (
        f"Of the mean over seeds by Student's t, in {unit(table.shown)}. "
        f"{_what_seeds_share(table)} There is no interval, but a dash, for a single seed and where "
        "all seeds agree by chance. Whether two methods differ is said by bold above, not by "
        "intervals that overlap."
    )
    sections = [Section("95 % intervals", paragraphs=(said,))]
    for split in table.splits:
        columns = table.columns_of(split)
        shown = [(column, measure) for column in columns for measure in table.shown]
        headings = [Heading(measure.heading, dataset_heading(c)) for c, measure in shown]
        lines = []
        for row in table.rows_of(split, columns):
            cells = [table.cell(split, column, row, measure) for column, measure in shown]
            bounds = [
                interval(None if cell is None else cell.interval, measure.decimals)
                for cell, (_, measure) in zip(cells, shown, strict=True)
            ]
            lines.append(line(row.heading, *bounds))
        sections.append(
            Section(split_heading(split), (Heading("Method"), *headings), tuple(lines), level=3)
        )
    return sections


def _what_seeds_share(table: Table) -> str:
    """What intervals leave out, as seeds share samples."""
    again = (
        "Seeds split the same data again, so that they are a little too narrow"
        f"{_but_of_folds(table)}."
    )
    same = splits_of_one_test_set(table)
    if not same:
        return again
    alone = (
        "all seeds have one test set: there they are of the randomness of training alone, and say "
        "nothing of other samples."
    )
    where = f"On the {' and '.join(same)} split{'s' * (len(same) > 1)}, {alone}"
    return where if len(same) == len(table.splits) else f"{again} {where}"


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
            lines.append((mark, f"{run.name}: {run.reason} (job {run.job_id})"))
    return lines


def _times(table: Table) -> list[Section]:
    costs = seconds_with_required(table)
    runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in table.runs:
        runs[run.method, run.dataset].append(run)
    devices = sorted({run.result.device for run in table.runs if run.result is not None})
    lines, others = [], []
    for row in table.rows:
        found = [
            mean_seconds(table, runs[row.label, column.label], costs) for column in table.columns
        ]
        means = [HOLE if mean is None else fixed(mean, 1) for mean, _ in found]
        lines.append(line(row.heading, *means))
        if any(elsewhere for _, elsewhere in found):
            others.append(row.heading)
    said = (
        "Mean wall-clock seconds of a complete run, with those of the runs it depends on, over all "
        f"splits and seeds, on: {', '.join(devices) or 'no device'}.{_elsewhere(table, others)}"
    )
    headings = plain_headings(["Method", *(dataset_heading(column) for column in table.columns)])
    return [Section("Time", headings, tuple(lines), paragraphs=(said,))]


def _elsewhere(table: Table, names: Sequence[str]) -> str:
    """Of which methods the times are another machine's."""
    if not names:
        return ""
    return (
        f" Those of {', '.join(names)} were measured on another machine (runs joined from "
        f"{table.settings['joined']['source']}): compare them with each other only."
    )


def _provenance(table: Table) -> list[Section]:
    titles = {column.label: dataset_heading(column) for column in table.columns}
    files = [
        line(
            titles[dataset],
            result.data_file,
            result.data_sha256[:_SHORT_HASH],
            f"{result.samples:,}",
            f"{result.unusable:,}",
        )
        for dataset, result in first_results(table.runs, lambda run: run.dataset).items()
    ]
    splits = [
        line(
            titles[dataset],
            split,
            str(seed) if fold is None else f"{seed}, fold {fold}",
            result.split_hash[:_SHORT_HASH],
            *(f"{size:,}" for size in result.parts),
        )
        for (dataset, split, seed, fold), result in sorted(
            first_results(table.runs, _split_of).items(),
            key=lambda item: _split_place(table, item[0]),
        )
    ]
    said = (
        f"Hashes are sha256, their first {_SHORT_HASH} digits; runs.csv has them in full, with "
        "the job behind every figure."
    )
    of_files = plain_headings(["Data set", "file", "sha256", "samples", "rows left out"])
    of_splits = plain_headings(
        ["Data set", "split", "seed", "split hash", "train", "valid", "test"]
    )
    return [
        Section("Data and splits", of_files, tuple(files), paragraphs=(said,)),
        Section("", of_splits, tuple(splits)),
    ]


def _split_of(run: Run) -> tuple[str, str, int, int | None]:
    return run.dataset, run.split, run.seed, run.fold


def _split_place(table: Table, key: tuple[str, str, int, int | None]) -> tuple[int, ...]:
    dataset, split, seed, fold = key
    labels = [column.label for column in table.columns]
    return labels.index(dataset), table.splits.index(split), seed, fold or 0
