"""Mean ranks of the methods, with Nemenyi's critical difference where it may be drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report.document.numbers import ONE_RUN
from bench.report.figures.source import Source
from bench.report.figures.style import (
    PALETTE,
    file_name,
    headline,
    in_lines,
    name_rows,
    panels,
    rows_high,
)
from bench.report.model import measures
from bench.report.model.cells import Row, Table
from bench.report.model.measures import Measure
from bench.report.tables.mean_ranks import rank_rows
from bench.statistics.ranks import Ranks

_NOT_PLANNED = "they are not planned on all data sets and splits"


def critical_difference_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a main measure, where methods have ranks on two data sets at least.

    Bars of the critical difference are drawn only where ranks may be read as differences.
    """
    for measure in measures.MAIN:
        ranks = ranks_of(source.table, measure)
        if ranks.datasets > 1 and len(ranks.methods) > 1:
            yield file_name("critical_difference", measure.name), _draw(source, measure, ranks)


def ranks_of(table: Table, measure: Measure) -> Ranks:
    """Ranks of the rows of `table` over its data sets; an entry with a missing run has no score.

    Forms of one data set, such as ``uspto_50k[inputs=joined]``, are one data set.
    """
    ranks = rank_rows(table, measure, table.columns, lambda column: column.name)
    ranked = {table.rows[place].label for place in ranks.methods}
    single = any(
        cell.n == 1
        for (_, _, method, metric), cell in table.cells.items()
        if method in ranked and metric == measure.name
    )
    return replace(ranks, verdict=ranks.verdict + ONE_RUN) if single else ranks


def _draw(source: Source, measure: Measure, ranks: Ranks) -> Figure:
    order = np.argsort(ranks.mean_ranks, kind="stable")
    mean = np.array(ranks.mean_ranks)[order]
    names = [
        f"{source.table.rows[ranks.methods[place]].heading} ({rank:.2f})"
        for place, rank in zip(order, mean, strict=True)
    ]
    difference = ranks.critical_difference if ranks.meaningful else None
    groups = [] if difference is None else not_told_apart(mean, difference)
    figure, (axes,) = panels(1, 1, 0.8 + rows_high(names, 0.2))
    axes.plot(mean, range(len(mean)), "o", color="black")
    # Beside the methods, a bar over those that belong together, as far from the last as it takes.
    for number, (first, last) in enumerate(groups):
        x = len(mean) + 0.4 + 0.35 * number
        axes.plot([x, x], [first - 0.2, last + 0.2], color=PALETTE[0], linewidth=3)
    axes.set_xlim(0.7, len(mean) + 0.8 + 0.35 * len(groups))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    name_rows(axes, names)
    axes.set_xlabel("mean rank, 1 for the best")
    left_out = [source.table.rows[place] for place in ranks.left_out]
    planned = {row.label: _everywhere(source, row) for row in left_out}
    note = f"{ranks.verdict[:1].upper()}{ranks.verdict[1:]}."
    if difference is not None:
        note += " The bars join methods that are not significantly different."
    for cause, is_planned in (("runs are missing", True), (_NOT_PLANNED, False)):
        headings = [row.heading for row in left_out if planned[row.label] is is_planned]
        if headings:
            note += f" Not ranked, as {cause}: {', '.join(headings)}."
    headline(
        figure, f"Mean rank by {measure.heading} over {ranks.datasets} data sets, splits averaged"
    )
    figure.supxlabel(in_lines(note, figure.get_figwidth(), 7), fontsize=7)
    return figure


def _everywhere(source: Source, row: Row) -> bool:
    """Whether a method is planned wherever any is."""
    return all(row in source.rows(*place) for place in source.places())


def not_told_apart(mean_ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """First and last place of each largest group whose ranks lie closer than `difference`.

    Parameters
    ----------
    mean_ranks : ndarray of float, shape (k,)
        Rising.
    difference : float
        The critical difference.

    Examples
    --------
    >>> not_told_apart(np.array([1.0, 2.0, 3.0, 9.0]), 1.5)
    [(0, 1), (1, 2)]
    """
    # Where each group that starts at a method ends; a group inside the one before says nothing.
    ends = np.searchsorted(mean_ranks, mean_ranks + difference) - 1
    return [
        (first, int(last))
        for first, last in enumerate(ends)
        if last > first and (first == 0 or last > ends[first - 1])
    ]
