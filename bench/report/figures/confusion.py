"""Confusion matrices with every row divided by its sum, mean over seeds; of many, by groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from bench.metrics import matrix_of_record
from bench.plain_text import visible
from bench.report.figures.source import (
    Json,
    Source,
    has_many_classes,
    mean_and_deviation,
    mean_over_runs,
)
from bench.report.figures.style import (
    file_name,
    headline,
    place,
    say_empty,
    side_label,
    titled_panels,
)
from bench.report.model.many_classes import GROUPS, GROUPS_IN_WORDS, confusion_by_group

# Above, numbers in cells would be too small to read.
_MOST_NUMBERED = 4
# Letters of a name that has room at the side of a panel.
_LONGEST_NAME = 9

# Colours without numbers have to show an error of one percent beside a recall of 99.
_STRETCH = 1 / 3


def confusion_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split and data set, a panel a method; of many classes by their training samples.

    Then a row is a group of classes, and tells how often its classes are right, and for classes of
    which group they are taken otherwise.
    """
    for split, column in source.places():
        rows = source.rows(split, column)
        records = [run for row in rows for run in source.runs(split, column, row).values()]
        many = bool(records) and has_many_classes(records[0])
        across, height = (3, 1.35) if many else (4, 1.7)
        titles = [source.heading(split, column, row) for row in rows]
        figure, grid = titled_panels(titles, across, height, font=7, sharex=True, sharey=True)
        image = None
        for axes, row in zip(grid, rows, strict=True):
            runs = list(source.runs(split, column, row).values())
            if runs:
                image = _draw_groups(axes, runs) if many else _draw(axes, runs)
            else:
                say_empty(axes)
                axes.tick_params(labelsize=6)
                axes.set_box_aspect(len(GROUPS) / (len(GROUPS) + 1) if many else 1)
        if image is None:
            continue
        label = "share of a class's samples [%]" if many else "share of the true class [%]"
        bar = figure.colorbar(image, ax=grid, shrink=0.6, label=label)
        if not many and not _numbered(image.get_size()[0]):
            bar.set_ticks([0, 0.1, 1, 5, 20, 50, 100])
        headline(figure, f"Confusion: {place(split, column)}")
        if many:
            _explain_groups(figure)
        else:
            figure.supxlabel("predicted class (mean over seeds)", fontsize=8)
            named = _names(records[0])[0] != "0"
            side_label(figure, "true class" if named else "true class, by its index in the data")
        yield file_name("confusion", split, column.label), figure


def shares(record: Json) -> np.ndarray:
    """Row-normalised matrix in percent, (K, K); rows without samples are nan."""
    matrix = matrix_of_record(record["confusion"]).astype(float)
    whole = matrix.sum(axis=1, keepdims=True)
    return 100 * np.divide(matrix, whole, out=np.full(matrix.shape, np.nan), where=whole > 0)


def _numbered(classes: int) -> bool:
    return classes <= _MOST_NUMBERED


def _names(record: Json) -> list[str]:
    """What the classes are called: by their names if few and short, or by their index."""
    names = record["data"]["class_names"]
    if _numbered(len(names)) and all(len(name) <= _LONGEST_NAME for name in names):
        return [visible(name) for name in names]
    return [str(k) for k in range(len(names))]


def _draw(axes: Axes, runs: list[Json]) -> AxesImage:
    mean, deviation = mean_and_deviation([shares(record) for record in runs])
    norm = Normalize(0, 100) if _numbered(len(mean)) else PowerNorm(_STRETCH, 0, 100)
    image = axes.imshow(mean, cmap="viridis", norm=norm)
    axes.grid(visible=False)
    count = len(mean)
    ticks = np.arange(0, count, 1 if count <= 10 else 5)
    names = _names(runs[0])
    axes.set_xticks(ticks, [names[k] for k in ticks], fontsize=6)
    axes.set_yticks(ticks, [names[k] for k in ticks], fontsize=6)
    if _numbered(count):
        _number(axes, mean, deviation)
    return image


def _number(axes: Axes, mean: np.ndarray, deviation: np.ndarray | None = None) -> None:
    """The figure of each cell; "none" where there is none."""
    for row, col in np.ndindex(mean.shape):
        none = np.isnan(mean[row, col])
        text = "none" if none else f"{mean[row, col]:.1f}"
        if deviation is not None and not np.isnan(deviation[row, col]):
            text += f"\n± {deviation[row, col]:.1f}"
        # Viridis is dark below, bright above; without a figure a cell is empty.
        colour = "black" if none or mean[row, col] > 60 else "white"
        axes.text(col, row, text, ha="center", va="center", color=colour, fontsize=7)


def _draw_groups(axes: Axes, runs: list[Json]) -> AxesImage:
    mean = 100 * mean_over_runs(
        [
            confusion_by_group(
                matrix_of_record(record["confusion"]), np.array(record["data"]["train_counts"])
            )
            for record in runs
        ]
    )
    image = axes.imshow(mean, cmap="viridis", norm=Normalize(0, 100))
    axes.grid(visible=False)
    # What is right, beside what is wrong.
    axes.axvline(0.5, color="white", linewidth=2)
    axes.set_xticks(range(len(GROUPS) + 1), ["right", *GROUPS], fontsize=6)
    axes.set_yticks(range(len(GROUPS)), GROUPS, fontsize=6)
    _number(axes, mean)
    return image


def _explain_groups(figure: Figure) -> None:
    bounds = ", ".join(f"{name}: {words}" for name, words in GROUPS_IN_WORDS.items())
    figure.supxlabel(
        "right, or taken for another class with many, medium or few training samples\n"
        f"({bounds}); mean over the classes of a row and over seeds",
        fontsize=7,
    )
    side_label(figure, "true class, by its training samples")
