"""Recall of the head, the middle and the tail classes, method by method."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.document.numbers import fixed
from bench.report.figures.source import Source
from bench.report.figures.style import (
    GROUP_COLOURS,
    GROUP_HATCHES,
    file_name,
    headline,
    name_rows,
    panels,
    place,
    rows_high,
    whiskers,
)
from bench.report.model import measures
from bench.report.model.cells import Column

_BAR = 0.26


def group_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split and data set, three bars a method."""
    for split, column in source.places():
        rows = source.rows(split, column)
        names = [source.heading(split, column, row) for row in rows]
        figure, (axes,) = panels(1, 1, 0.8 + rows_high(names, 0.34))
        _bars(axes, source, split, column)
        name_rows(axes, names)
        # Room for the figures behind the bars.
        axes.set_xlim(0, 112)
        axes.set_xticks(range(0, 101, 20))
        axes.set_xlabel("mean recall of the classes [%]")
        axes.grid(visible=False, axis="y")
        headline(figure, f"Frequent and rare classes: {place(split, column)}")
        if axes.patches:
            figure.legend(
                loc="outside lower center",
                ncols=3,
                title="mean over seeds; whiskers: standard deviation, if n > 1",
            )
        yield file_name("groups", split, column.label), figure


def _bars(axes: Axes, source: Source, split: str, column: Column) -> None:
    rows = source.rows(split, column)
    for number, measure in enumerate(measures.GROUP_RECALL):
        cells = [source.table.cells[split, column.label, row.label, measure.name] for row in rows]
        drawn = [(y, cell) for y, cell in enumerate(cells) if cell.mean is not None]
        if not drawn:  # two classes have no middle
            continue
        bars = axes.barh(
            [y + _BAR * (number - 1) for y, _ in drawn],
            [cell.mean or 0.0 for _, cell in drawn],
            _BAR,
            xerr=whiskers(
                np.array([cell.mean or 0.0 for _, cell in drawn]),
                np.array([cell.std or 0.0 for _, cell in drawn]),
            ),
            color=GROUP_COLOURS[measure.heading],
            hatch=GROUP_HATCHES[measure.heading],
            error_kw={"elinewidth": 0.7},
            label=measure.heading,
        )
        figures = [fixed(cell.mean or 0.0, 1) for _, cell in drawn]
        axes.bar_label(bars, figures, padding=2, fontsize=5)
    for y, row in enumerate(rows):
        if not source.runs(split, column, row):
            axes.text(1, y, "no complete run", va="center", fontsize=7)
