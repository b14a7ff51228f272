"""Validation score over the epochs, of what a search chose for each method."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.figures.style import MARKERS, PALETTE, dataset, headline, panels, whole
from bench.report.model.cells import Column
from bench.report.tables.search import Search

# Neighbours in the legend start their markers at different epochs, so that lines that lie on each
# other are told apart.
_EVERY = 6


def convergence_figure(search: Search) -> Figure:
    """A panel a data set, a line a method with a choice, a large marker at its selected epoch."""
    figure, grid = panels(len(search.columns), 1, 2.8)
    for axes, column in zip(grid, search.columns, strict=True):
        axes.set_title(dataset(column))
        axes.set_ylabel(search.unit)
        _draw(axes, search, column)
    grid[-1].set_xlabel("epoch")
    headline(
        figure,
        f"Chosen settings on validation: {search.split} split, seed {search.seed}",
    )
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2,
        fontsize=7,
        title="large marker: selected epoch",
    )
    return figure


def _draw(axes: Axes, search: Search, column: Column) -> None:
    for place, method in enumerate(search.trials):
        if (trial := search.chosen(method)) is None:
            axes.plot([], [], linestyle="", label=f"{method}: no choice")
            continue
        run = trial.found[column.label]
        epochs = np.arange(1, len(run.curve) + 1)
        colour, marker = PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]
        axes.plot(
            epochs,
            run.curve,
            color=colour,
            linewidth=1,
            linestyle="-" if place < len(PALETTE) else "--",
            marker=marker,
            markersize=3,
            markevery=(place % _EVERY, _EVERY),
            label=trial.title,
        )
        selected = epochs == run.epoch
        axes.plot(
            epochs[selected], run.curve[selected], color=colour, marker=marker, markersize=7,
            markeredgecolor="black", linestyle="", zorder=3,
        )  # fmt: skip
    if all(search.chosen(method) is None for method in search.trials):
        axes.text(0.5, 0.5, "no method has a choice", transform=axes.transAxes, ha="center")
    whole(axes.xaxis)
