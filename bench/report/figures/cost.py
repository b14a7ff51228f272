"""Score against the time training takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report.figures.source import Source
from bench.report.figures.style import (
    MARKERS,
    PALETTE,
    dataset,
    file_name,
    headline,
    in_lines,
    logarithmic,
    panels,
    say_empty,
    whiskers,
)
from bench.report.model import measures
from bench.report.model.cells import Column
from bench.report.model.costs import ELSEWHERE, mean_seconds, seconds_with_required

_FONT = 7  # of the legend
_ON_ANOTHER = f"\n{ELSEWHERE} measured on another machine"


def cost_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split, a panel a data set, a marker a method."""
    costs = seconds_with_required(source.table)
    for split in source.table.splits:
        columns = source.table.columns_of(split)
        figure, grid = panels(len(columns), 2, 2.5)
        for axes, column in zip(grid, columns, strict=True):
            axes.set_title(dataset(column))
            _points(axes, source, split, column, costs)
        rows = source.table.rows_of(split, columns)
        styles = _styles(source)
        handles = [
            Line2D([], [], linestyle="", color=styles[row.label][0], marker=styles[row.label][1])
            for row in rows
        ]
        # Beside a marker.
        width = figure.get_figwidth() - 0.6
        labels = [in_lines(row.heading, width, _FONT) for row in rows]
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=_columns(figure, labels),
            fontsize=_FONT,
            title="whiskers: standard deviation over seeds, if n > 1; hollow: runs are missing",
        )
        headline(figure, f"Score against training cost, {split} split")
        yield file_name("cost", split), figure


def _columns(figure: Figure, labels: Sequence[str]) -> int:
    """How many of the longest label stand side by side in a legend, four at most."""
    # A letter is about half as wide as its font is high; a marker and gaps take 30 points.
    lines = [line for label in labels for line in label.splitlines()]
    widest = 0.5 * _FONT * max(map(len, lines)) + 30
    return max(1, min(4, int(72 * figure.get_figwidth() / widest)))


def _styles(source: Source) -> dict[str, tuple[str, str]]:
    return {
        row.label: (PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)])
        for place, row in enumerate(source.table.rows)
    }


def _points(
    axes: Axes, source: Source, split: str, column: Column, costs: Mapping[str, float]
) -> None:
    styles, others = _styles(source), False
    for row in source.rows(split, column):
        cell = source.table.cells[split, column.label, row.label, measures.MAIN[0].name]
        seconds, elsewhere = mean_seconds(source.table, cell.runs, costs)
        if cell.mean is None or seconds is None:
            continue
        colour, marker = styles[row.label]
        axes.errorbar(
            seconds,
            cell.mean,
            yerr=None
            if cell.std is None
            else whiskers(np.array([cell.mean]), np.array([cell.std])),
            color=colour,
            marker=marker,
            elinewidth=0.7,
            # A method with missing runs is drawn hollow.
            markerfacecolor=colour if cell.complete else "white",
        )
        if elsewhere:
            axes.annotate(ELSEWHERE, (seconds, cell.mean), (4, 2), textcoords="offset points")
            others = True
    if not axes.has_data():
        say_empty(axes)
        return
    axes.set_xscale("log")
    logarithmic(axes.xaxis)
    axes.set_xlabel("mean seconds, with the runs that a run depends on" + others * _ON_ANOTHER)
    axes.set_ylabel("balanced accuracy [%]")
