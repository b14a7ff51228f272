"""Training loss and validation score over the epochs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report.figures.source import Json, Source
from bench.report.figures.style import (
    PALETTE,
    file_name,
    headline,
    place,
    say_empty,
    side_label,
    titled_panels,
    whole,
)

_SCORE, _LOSS = PALETTE[0], PALETTE[1]


def curve_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split and data set, a panel a method that trains by epochs."""
    for split, column in source.places():
        # A method without epochs, such as a forest, has no curve.
        rows = [
            row
            for row in source.rows(split, column)
            if any(record["history"] for record in source.runs(split, column, row).values())
            or not source.runs(split, column, row)
        ]
        if not any(source.runs(split, column, row) for row in rows):
            continue
        titles = [source.heading(split, column, row) for row in rows]
        figure, grid = titled_panels(titles, 3, 1.3, sharex=True, sharey=True)
        staged = False
        for axes, row in zip(grid, rows, strict=True):
            runs = list(source.runs(split, column, row).values())
            if runs:
                staged |= _draw(axes, runs)
            else:
                say_empty(axes)
        headline(figure, f"Training and validation: {place(split, column)}")
        side_label(figure, "left axis: validation balanced accuracy [%]", _SCORE)
        _explain(figure, len(rows), staged)
        yield file_name("curves", split, column.label), figure


def _draw(axes: Axes, runs: list[Json]) -> bool:
    """Whether a second stage begins in it."""
    losses = axes.twinx()
    losses.grid(visible=False)
    losses.spines["right"].set_visible(True)
    losses.tick_params(axis="y", labelsize=6, colors=_LOSS)
    losses.locator_params(axis="y", nbins=4)
    for record in runs:
        history = record["history"]
        epochs = np.array([report["epoch"] for report in history])
        score = 100 * np.array([report["valid_balanced_accuracy"] for report in history])
        loss = np.array([report["train_loss"] for report in history])
        axes.plot(epochs, score, color=_SCORE, linewidth=1)
        losses.plot(epochs, loss, color=_LOSS, linewidth=1, linestyle="--")
        chosen = epochs == record["selection"]["epoch"]
        axes.plot(epochs[chosen], score[chosen], color=_SCORE, marker="o", linestyle="")
    stages = [report.get("stage") for report in runs[0]["history"]]
    later = [
        epoch
        for before, after, epoch in zip(stages, stages[1:], epochs[1:], strict=False)
        if before != after
    ]
    for epoch in later:
        axes.axvline(epoch, color="black", linestyle=":", linewidth=0.8)
    whole(axes.xaxis)
    losses.set_ylim(bottom=min(0, losses.get_ylim()[0]))
    return bool(later)


def _explain(figure: Figure, panels: int, staged: bool) -> None:
    handles = [
        Line2D([], [], color=_SCORE, label="validation balanced accuracy"),
        Line2D([], [], color=_SCORE, linestyle="", marker="o", label="selected epoch"),
        Line2D([], [], color=_LOSS, linestyle="--", label="training loss (right axis)"),
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(3, 1 + panels),
        title="over the epochs; a line a seed" + ("; dotted: a new stage begins" if staged else ""),
    )
