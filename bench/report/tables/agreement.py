"""Whether our order of methods is the paper's."""

from __future__ import annotations

import math

import scipy  # its `stats`, which takes long to import, is imported when it is used

from bench.report.document.numbers import HOLE, ONE_RUN, fixed
from bench.report.document.report import (
    Report,
    Section,
    Value,
    dataset_heading,
    line,
    plain_headings,
)
from bench.report.model.cells import Cell, Column, Table
from bench.report.model.measures import MAIN, Measure
from bench.report.model.published import PAPER


def agreement(table: Table) -> Report:
    """Kendall's tau between the paper's figures and ours, for each column of Table 2."""
    lines, csv_lines = [], []
    for split in table.splits:
        for column in table.columns_of(split):
            for measure in MAIN:
                if not table.has_published(split, column, measure):
                    continue
                tau, p, left_out, own = _tau(table, split, column, measure)
                note = ONE_RUN if any(cell.n == 1 for cell in own) else ""
                n = len(own)
                lines.append(
                    line(
                        split,
                        dataset_heading(column),
                        measure.heading,
                        str(n),
                        HOLE if tau is None else fixed(tau) + note,
                        HOLE if p is None else fixed(p, 3),
                        ", ".join(left_out),
                    )
                )
                values: tuple[Value, ...] = (n, tau, p, " ".join(left_out))
                csv_lines.append((column.label, split, measure.name, *values))
    return Report(
        "agreement",
        "Our order of methods against the paper's",
        (),
        (
            (
                "tau",
                "Kendall's tau-b: 1 when both order the methods alike, -1 when one is the other "
                f"reversed; {HOLE} below two methods or when one side cannot order them.",
            ),
            (
                "p",
                "two-sided, of orders that have nothing to do with each other; exact without "
                "ties. Each p stands alone.",
            ),
            ("Left out", "methods with runs that are not complete, so that their mean may move."),
            ("Source", f"Table 2 of {PAPER}."),
        ),
        (
            Section(
                "",
                plain_headings(("split", "data set", "measure", "methods", "tau", "p", "left out")),
                tuple(lines),
            ),
        ),
        ("dataset", "split", "metric", "n", "tau", "p", "left_out"),
        tuple(csv_lines),
    )


def _tau(
    table: Table, split: str, column: Column, measure: Measure
) -> tuple[float | None, float | None, list[str], list[Cell]]:
    """tau, p, methods left out and the cells compared."""
    own, left_out = [], []
    for row in table.rows_of(split, (column,)):
        cell = table.cell(split, column, row, measure)
        if cell is None or cell.published is None:
            continue
        if cell.mean is None or not cell.complete:
            left_out.append(row.label)
        else:
            own.append(cell)
    if len(own) < 2:
        return None, None, left_out, own
    result = scipy.stats.kendalltau([cell.published for cell in own], [cell.mean for cell in own])
    if math.isnan(result.statistic):
        return None, None, left_out, own
    return float(result.statistic), float(result.pvalue), left_out, own
