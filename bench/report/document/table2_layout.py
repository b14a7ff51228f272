"""Table 2 in the paper's layout, as a report for the writers that have no form of their own for it.

A block a split, a line a method, and under each data set our figures beside the paper's.
"""

from __future__ import annotations

from itertools import groupby

from bench.report.document.caption import caption
from bench.report.document.report import (
    Entry,
    Heading,
    Report,
    ReportTable,
    dataset_heading,
    failed_runs,
    ours,
    paper,
)
from bench.report.model.cells import GROUPS, Table


def table2_report(table: Table) -> Report:
    """Balanced accuracy and balanced F1 of every method, or what else is shown."""
    return Report(
        "table2",
        "Table 2: results",
        (),
        (*caption(table), *failed_runs(table)),
        tuple(_block(table, split) for split in table.splits),
        (),
        (),
    )


def _block(table: Table, split: str) -> ReportTable:
    columns = table.columns_of(split)
    headings = [Heading("Method")]
    shown = []
    for column in columns:
        for measure in table.shown:
            with_paper = table.has_published(split, column, measure)
            best = table.best(split, column, measure, measure.decimals)
            shown.append((column, measure, best, with_paper))
            headings.append(Heading(measure.heading, dataset_heading(column)))
            if with_paper:
                headings.append(Heading("paper", dataset_heading(column)))
    lines: list[tuple[Entry, ...]] = []
    groups = [
        (group, list(rows))
        for group, rows in groupby(table.rows_of(split, columns), lambda row: row.group)
    ]
    for group, rows in groups:
        if len(groups) > 1:
            lines.append((Entry(GROUPS.get(group, group.capitalize())),))
        for row in rows:
            entries = [Entry(row.heading)]
            for column, measure, best, with_paper in shown:
                cell = table.cell(split, column, row, measure)
                entries.append(ours(cell, best=row.label in best))
                if with_paper:
                    entries.append(paper(None if cell is None else cell.published))
            lines.append(tuple(entries))
    return ReportTable(f"{split} split", tuple(headings), tuple(lines))
