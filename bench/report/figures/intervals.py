"""Each method's mean with its interval, the best on top: what a comparison comes to at a glance."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.report.figures.source import Source
from bench.report.figures.style import PALETTE, WIDTH_INCHES, name_rows, place, rows_high
from bench.report.model.cells import Cell, Column
from bench.report.model.measures import MAIN, Measure

_BEST, _OTHER, _BAND = PALETTE[0], "#777777", "#e8f1f8"
# Widths of the methods' range that the line of chance may lie beside it: farther off it would press
# them into a corner.
_NEAR = 1.5
_NAMES = {
    "balanced_accuracy": "balanced accuracy (%)",
    "balanced_f1": "balanced F1 (%)",
}


class NotebookFigure(Figure):
    """A figure that a notebook shows even where no plotting mode is on."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=110)
        return stream.getvalue()


def interval_figure(
    source: Source, places: Sequence[tuple[str, Column]], measure: Measure = MAIN[0]
) -> Figure:
    """A panel for each of `places`, below each other: dots of runs, mean and 95 % interval.

    Methods that are not significantly different from the best are blue on a shaded band. A method
    without a run that counts stands at the bottom, without a dot. A line marks the balanced
    accuracy of a constant prediction.

    Parameters
    ----------
    source : Source
        Its table has its leaders.
    places : sequence of (split, Column)
        At least one.
    measure : Measure
        One that the table has.
    """
    heights = [
        rows_high([source.heading(*where, row) for row in source.rows(*where)], 0.26)
        for where in places
    ]
    figure = NotebookFigure(
        figsize=(WIDTH_INCHES, sum(height + 0.75 for height in heights) + 0.5), layout="constrained"
    )
    grid = figure.subplots(
        len(places), 1, squeeze=False, height_ratios=[height + 0.39 for height in heights]
    )
    with_chance = False
    for axes, (split, column) in zip(grid[:, 0], places, strict=True):
        with_chance |= _panel(axes, source, split, column, measure)
        axes.set_title(place(split, column), loc="left")
    grid[-1, 0].set_xlabel(_label(measure))
    _explain(figure, source, places, measure, with_chance=with_chance)
    return figure


def _panel(axes: Axes, source: Source, split: str, column: Column, measure: Measure) -> bool:
    """Draw a place; whether the line of a constant prediction is near enough to be in it."""
    cells = {
        row: source.table.cell(split, column, row, measure) for row in source.rows(split, column)
    }
    best = _not_different(source, split, column, measure)
    order = sorted(cells, key=lambda row: _place(cells[row], measure))
    shaded = [number for number, row in enumerate(order) if row.label in best]
    for number in shaded:
        axes.axhspan(number - 0.5, number + 0.5, color=_BAND, linewidth=0)
    for number, row in enumerate(order):
        cell = cells[row]
        if cell is not None and cell.mean is not None:
            _method(axes, number, cell, cell.mean, is_best=row.label in best)
    low, high = axes.get_xlim()
    runs = (run for cell in cells.values() if cell is not None for run in cell.runs)
    chance = next((run.result.chance for run in runs if run.result is not None), -np.inf)
    with_chance = measure.name == "balanced_accuracy" and low - chance < _NEAR * (high - low)
    if with_chance:
        axes.axvline(chance, color="black", linestyle=":", linewidth=1)
    name_rows(axes, [source.heading(split, column, row) for row in order])
    axes.grid(visible=False, axis="y")
    if measure.percent:
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -1.0), min(high, 101.0))
    return with_chance


def _method(axes: Axes, number: int, cell: Cell, mean: float, *, is_best: bool) -> None:
    """A dot, full among the best, with interval and runs."""
    colour = _BEST if is_best else _OTHER
    if cell.interval is not None:
        axes.plot(cell.interval, [number, number], color=colour, linewidth=1.5)
    if cell.n > 1:
        values = list(cell.values.values())
        axes.plot(values, [number] * len(values), "|", color=colour, markersize=6, alpha=0.6)
    axes.plot([mean], [number], "o", color=colour, markerfacecolor=colour if is_best else "white")


def _place(cell: Cell | None, measure: Measure) -> float:
    """By which a method is sorted: rising from the best to those without a mean."""
    if cell is None or cell.mean is None:
        return np.inf
    return -cell.mean if measure.higher_is_better else cell.mean


def _label(measure: Measure) -> str:
    name = _NAMES.get(measure.name, measure.heading + " (%)" * measure.percent)
    return name if measure.higher_is_better else f"{name}, lower is better"


def _not_different(source: Source, split: str, column: Column, measure: Measure) -> frozenset[str]:
    leaders = source.table.best_set(split, column, measure)
    return frozenset() if leaders is None else leaders.members


def _explain(
    figure: Figure,
    source: Source,
    places: Sequence[tuple[str, Column]],
    measure: Measure,
    *,
    with_chance: bool,
) -> None:
    tested = any(_not_different(source, *where, measure) for where in places)
    handles: list[Artist] = [
        Line2D([], [], marker="o", linewidth=1.5, color=_BEST if tested else _OTHER),
        Line2D([], [], marker="|", linestyle="none", color=_OTHER),
    ]
    labels = ["mean and 95 % interval", "one run"]
    if tested:
        handles.append(Patch(color=_BAND))
        labels.append("not significantly different from the best")
    if with_chance:
        handles.append(Line2D([], [], color="black", linestyle=":", linewidth=1))
        labels.append("constant prediction")
    figure.legend(handles, labels, loc="outside lower left", ncols=len(handles), fontsize=7)
