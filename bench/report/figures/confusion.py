"""Confusion matrices with every row divided by its sum, mean over seeds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from bench.metrics import matrix_of_record
from bench.metrics.confusion import MOST_CLASSES_IN_FULL
from bench.report.figures.source import Json, Source
from bench.report.figures.style import (
    entitle,
    file_name,
    mean_and_deviation,
    panels,
    place,
    say_empty,
)

# Above, numbers in cells would be too small to read.
_MOST_NUMBERED = 4

# Colours without numbers have to show an error of one percent beside a recall of 99.
_STRETCH = 1 / 3


def confusion_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split and data set, a panel a method; none where classes outnumber pixels."""
    for split, column in source.places():
        rows = source.rows(split, column)
        records = [run for row in rows for run in source.runs(split, column, row).values()]
        if records and len(records[0]["data"]["test_counts"]) > MOST_CLASSES_IN_FULL:
            continue
        figure, grid = panels(len(rows), 4, 1.7, sharex=True, sharey=True)
        image = None
        for axes, row in zip(grid, rows, strict=True):
            entitle(axes, source.heading(split, column, row), 4, font=7)
            runs = list(source.runs(split, column, row).values())
            if runs:
                image = _draw(axes, runs)
            else:
                say_empty(axes)
                axes.tick_params(labelsize=6)
                axes.set_box_aspect(1)
        if image is None:
            continue
        bar = figure.colorbar(image, ax=grid, shrink=0.6, label="share of the true class [%]")
        if not _numbered(image.get_size()[0]):
            bar.set_ticks([0, 0.1, 1, 5, 20, 50, 100])
        figure.suptitle(f"Confusion: {place(split, column)}")
        figure.supxlabel("predicted class (mean over seeds)", fontsize=8)
        figure.supylabel("true class, by its index in the data", fontsize=8)
        yield file_name("confusion", split, column.label), figure


def shares(record: Json) -> np.ndarray:
    """Row-normalised matrix in percent, (K, K); rows without samples are nan."""
    matrix = matrix_of_record(record["confusion"]).astype(float)
    whole = matrix.sum(axis=1, keepdims=True)
    return 100 * np.divide(matrix, whole, out=np.full(matrix.shape, np.nan), where=whole > 0)


def _numbered(classes: int) -> bool:
    return classes <= _MOST_NUMBERED


def _draw(axes: Axes, runs: list[Json]) -> AxesImage:
    mean, deviation = mean_and_deviation([shares(record) for record in runs])
    norm = Normalize(0, 100) if _numbered(len(mean)) else PowerNorm(_STRETCH, 0, 100)
    image = axes.imshow(mean, cmap="viridis", norm=norm)
    axes.grid(visible=False)
    count = len(mean)
    ticks = np.arange(0, count, 1 if count <= 10 else 5)
    axes.set_xticks(ticks, [str(k) for k in ticks], fontsize=6)
    axes.set_yticks(ticks, [str(k) for k in ticks], fontsize=6)
    if _numbered(count):
        for row, col in np.ndindex(mean.shape):
            text = f"{mean[row, col]:.1f}"
            if deviation is not None:
                text += f"\n± {deviation[row, col]:.1f}"
            # Viridis is dark below, bright above.
            colour = "black" if mean[row, col] > 60 else "white"
            axes.text(col, row, text, ha="center", va="center", color=colour, fontsize=7)
    return image
