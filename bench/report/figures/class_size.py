"""Class size against recall, as in Figure 1 of the paper (arXiv 2504.04647)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.metrics.evaluation import classes_of_record
from bench.report.figures.source import (
    BASELINE,
    Json,
    Source,
    class_recalls,
    has_many_classes,
    mean_and_deviation,
    mean_over_runs,
)
from bench.report.figures.style import (
    MARKERS,
    PALETTE,
    WIDTH_INCHES,
    dataset,
    file_name,
    headline,
    in_lines,
    logarithmic,
    mark_count_groups,
    panels,
    say_empty,
    side_label,
    whiskers,
)
from bench.report.model import measures
from bench.report.model.cells import Column, Row
from bench.report.model.many_classes import running_mean

# Always drawn where they ran: the control, and the paper's own method.
_ALWAYS = (BASELINE, "sdr")

_FONT = 6  # of the legend

_NOTE = (
    "markers of a class side by side; whiskers: standard deviation\n"
    "over seeds, or Wilson's 95 % interval if n = 1"
)
_NOTE_OF_MANY = (
    "more than 50 classes: a dot is a class (mean over seeds), a line the\n"
    "running mean of classes of about that size; dotted: 20 and 100 samples"
)


def class_size_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split, a panel a data set: vanilla, `sdr` and the highest of the others.

    Of many classes each is a dot, and a line is the running mean over classes of about that size.
    """
    for split in source.table.splits:
        columns = source.table.columns_of(split)
        figure, grid = panels(len(columns), 2, 2.6, sharey=True)
        notes: dict[str, None] = {}
        for axes, column in zip(grid, columns, strict=True):
            axes.set_title(dataset(column))
            rows = _chosen(source, split, column)
            for place, row in enumerate(rows):
                runs = list(source.runs(split, column, row).values())
                name = f"{source.heading(split, column, row)}, n = {len(runs)}"
                heading = in_lines(name, 0.3 * WIDTH_INCHES, _FONT)
                if has_many_classes(runs[0]):
                    _dots(axes, place, heading, runs)
                    notes[_NOTE_OF_MANY] = None
                else:
                    _points(axes, place, len(rows), heading, runs)
                    notes[_NOTE] = None
            if not axes.has_data():
                say_empty(axes)
                continue
            axes.set_xscale("log")
            logarithmic(axes.xaxis)
            axes.set_xlabel("samples of the class in training")
            axes.legend(fontsize=_FONT, loc="best")
        headline(figure, f"Class size against recall, {split} split")
        figure.supxlabel("\n".join(notes or [_NOTE]), fontsize=7)
        side_label(figure, "recall [%]")
        yield file_name("class_size", split), figure


def _chosen(source: Source, split: str, column: Column) -> list[Row]:
    rows = [row for row in source.rows(split, column) if source.runs(split, column, row)]
    always = [row for row in rows if row.label in _ALWAYS]
    others = [row for row in rows if row not in always]

    def score(row: Row) -> float:
        cell = source.table.cells[split, column.label, row.label, measures.MAIN[0].name]
        return cell.mean if cell.mean is not None else -1.0

    return [*always, max(others, key=score)] if others else always


def _points(axes: Axes, place: int, of: int, heading: str, runs: list[Json]) -> None:
    counts = np.mean([record["data"]["train_counts"] for record in runs], axis=0)
    mean, deviation = mean_and_deviation([class_recalls(record) for record in runs])
    reach = _wilson(runs[0]) if deviation is None else whiskers(mean, deviation)
    axes.errorbar(
        # Side by side around the class, as whiskers of one class would cover each other.
        counts * 1.06 ** (place - (of - 1) / 2),
        mean,
        yerr=reach,
        linestyle="",
        marker=MARKERS[place],
        color=PALETTE[place],
        elinewidth=0.7,
        label=heading,
    )


def _dots(axes: Axes, place: int, heading: str, runs: list[Json]) -> None:
    counts = np.mean([record["data"]["train_counts"] for record in runs], axis=0)
    recall = mean_over_runs([class_recalls(record) for record in runs])
    # A class without training samples has no place on the axis.
    drawn = counts > 0
    axes.plot(
        counts[drawn],
        recall[drawn],
        linestyle="",
        marker=MARKERS[place],
        markersize=2.5,
        markeredgewidth=0,
        color=PALETTE[place],
        # Recalls of few test samples lie on each other.
        alpha=0.25,
    )
    axes.plot(
        *running_mean(counts, recall),
        color=PALETTE[place],
        label=heading,
    )
    if place == 0:
        mark_count_groups(axes)


def _wilson(record: Json) -> np.ndarray:
    """Distances from the recalls to both ends of their intervals, in percent, (2, K)."""
    classes = classes_of_record(record)
    ends = [(one.recall, one.recall_low, one.recall_high) for one in classes]
    recall, low, high = 100 * np.array(ends).T
    # Round-off puts the end of a recall of 0 or 1 on its wrong side.
    return np.clip([recall - low, high - recall], 0, None)
