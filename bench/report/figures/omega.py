"""The class weights omega that methods with sub-clusters set as they train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.metrics.groups import count_groups
from bench.report.figures.source import Json, Source, by_class_size, has_many_classes
from bench.report.figures.style import (
    COUNT_COLOURS,
    dataset,
    file_name,
    headline,
    logarithmic,
    side_label,
    titled_panels,
    whole,
)
from bench.report.model.many_classes import GROUPS_IN_WORDS
from bench.report.model.measures import MAIN

# By which the groups differ where colours cannot be seen.
_LINES: dict[str, Literal["-", "--", ":"]] = {"many": "-", "medium": "--", "few": ":"}


def omega_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split, a panel a method and data set; the first run that is complete."""
    for split in source.table.splits:
        drawn = []
        for column in source.table.columns_of(split):
            for row in source.rows(split, column):
                cell = source.table.cells[split, column.label, row.label, MAIN[0].name]
                run = next((run for run in cell.runs if run.status == "complete"), None)
                if run is None:
                    continue
                record = source.records[run.job_id]
                if record["history"] and weights(record) is not None:
                    title = f"{dataset(column)}: {row.heading}, seed {run.seed_and_fold}"
                    drawn.append((title, record))
        if not drawn:
            continue
        figure, grid = titled_panels([title for title, _ in drawn], 2, 1.8, font=7)
        counts = [count for _, record in drawn for count in record["data"]["train_counts"]]
        # A class may have lost all its samples to other parts.
        norm = LogNorm(max(min(counts), 1), max(max(counts), 2))
        for axes, (_, record) in zip(grid, drawn, strict=True):
            _draw(axes, record, norm)
        many = [has_many_classes(record) for _, record in drawn]
        if not all(many):
            bar = figure.colorbar(
                ScalarMappable(norm, "viridis"), ax=grid, label="samples of the class in training"
            )
            logarithmic(bar.ax.yaxis)
        headline(figure, f"Class weights omega over the epochs, {split} split")
        if any(many):
            _explain_groups(figure)
        else:
            figure.supxlabel("epoch", fontsize=8)
        lines = "" if all(many) else "a line a class; "
        side_label(figure, f"omega ({lines}dashed: all alike)")
        yield file_name("omega", split), figure


def weights(record: Json) -> np.ndarray | None:
    """Omega by epoch and class, (epochs, K); None where the method reports none."""
    reports = [report.get("method", {}) for report in record["history"]]
    if not all("omega" in report for report in reports):
        return None
    return np.array([report["omega"] for report in reports])


def _draw(axes: Axes, record: Json, norm: LogNorm) -> None:
    omega = weights(record)
    assert omega is not None
    counts = record["data"]["train_counts"]
    epochs = [report["epoch"] for report in record["history"]]
    axes.axhline(omega[0].mean(), color="black", linestyle="--", linewidth=0.7)
    whole(axes.xaxis)
    if has_many_classes(record):
        for group, classes in count_groups(np.array(counts)).items():
            if len(classes):
                own, colour = omega[:, classes], COUNT_COLOURS[group]
                low, high = np.quantile(own, [0.1, 0.9], axis=1)
                axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
                axes.plot(
                    epochs, own.mean(axis=1), color=colour, linestyle=_LINES[group], linewidth=1
                )
        return
    viridis = mpl.colormaps["viridis"]
    for k in by_class_size(record):
        axes.plot(epochs, omega[:, k], color=viridis(norm(max(counts[k], 1))), linewidth=1)


def _explain_groups(figure: Figure) -> None:
    figure.legend(
        handles=[
            Line2D(
                [],
                [],
                color=COUNT_COLOURS[group],
                linestyle=_LINES[group],
                label=f"{group}: {words}",
            )
            for group, words in GROUPS_IN_WORDS.items()
        ],
        loc="outside lower center",
        ncols=3,
        title="over the epochs; more than 50 classes: mean by their training samples,\n"
        "and the range of the middle 80 % of the classes",
    )
