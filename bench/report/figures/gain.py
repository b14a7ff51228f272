"""Gain of recall over vanilla, class by class: where a method wins and what it pays for it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.metrics.groups import count_groups, frequency_groups
from bench.report.figures.source import (
    BASELINE,
    Json,
    Source,
    by_class_size,
    class_recalls,
    has_many_classes,
    mean_and_deviation,
    mean_over_runs,
)
from bench.report.figures.style import (
    COUNT_COLOURS,
    GROUP_COLOURS,
    GROUP_HATCHES,
    file_name,
    headline,
    logarithmic,
    mark_count_groups,
    place,
    say_empty,
    side_label,
    titled_panels,
    whiskers,
)
from bench.report.model.many_classes import GROUPS_IN_WORDS, running_mean
from bench.report.model.paired_cells import said_of
from bench.spec import label_and_encoder


def gain_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split and data set, a panel a method; of many classes, a dot a class."""
    for split, column in source.places():
        rows = source.rows(split, column)
        first = next((row for row in rows if label_and_encoder(row.label)[0] == BASELINE), None)
        base = {} if first is None else source.runs(split, column, first)
        others = [row for row in rows if row is not first]
        if first is None or not base or not others:
            continue
        several = len({row.encoder for row in rows if row.encoder}) > 1
        many = has_many_classes(next(iter(base.values())))
        across, height = (3, 1.5) if many else (4, 1.2)
        titles = [source.heading(split, column, row) for row in others]
        figure, grid = titled_panels(titles, across, height, sharex=True, sharey=True)
        most = 0
        for axes, row in zip(grid, others, strict=True):
            runs = source.runs(split, column, row)
            # Seeds differ in their split, so only runs of one seed are comparable.
            pairs = [(runs[seed], base[seed]) for seed in sorted(runs.keys() & base.keys())]
            most = max(most, len(pairs))
            if pairs and many:
                _dots(axes, pairs)
            elif pairs:
                _bars(axes, pairs)
            else:
                say_empty(axes)
        name = first.heading if several else BASELINE
        if many:
            _explain_dots(figure, grid)
        else:
            _turn_long_rows_of_ticks(grid)
            counts = np.asarray(next(iter(base.values()))["data"]["train_counts"])
            groups = frequency_groups(counts)
            _explain_bars(figure, [name for name in GROUP_COLOURS if len(groups[name])])
        headline(figure, f"Gain over {name} by class{said_of(most)}: {place(split, column)}")
        side_label(figure, f"recall minus {name}'s [points]")
        yield file_name("gain", split, column.label), figure


def _bars(axes: Axes, pairs: list[tuple[Json, Json]]) -> None:
    first = pairs[0][0]
    order = by_class_size(first)
    counts = np.asarray(first["data"]["train_counts"])
    gains = [class_recalls(run) - class_recalls(base) for run, base in pairs]
    mean, deviation = mean_and_deviation(gains)
    position = np.empty(len(order), dtype=int)
    position[order] = np.arange(len(order))
    reach = None if deviation is None else whiskers(mean, deviation, -100.0)
    for group, classes in frequency_groups(counts).items():
        axes.bar(
            position[classes],
            mean[classes],
            color=GROUP_COLOURS[group],
            hatch=GROUP_HATCHES[group],
            yerr=None if reach is None else reach[:, classes],
            error_kw={"elinewidth": 0.7},
        )
    axes.axhline(0, color="black", linewidth=0.7)
    axes.grid(visible=False, axis="x")
    # Every count where there is room for it, else each third.
    shown = np.arange(0, len(order), 1 if len(order) <= 10 else 3)
    axes.set_xticks(shown, [f"{counts[k]:,}" for k in order[shown]])


def _turn_long_rows_of_ticks(grid: list[Axes]) -> None:
    """Of all panels: they share their ticks, an empty one at the bottom too."""
    for axes in grid:
        if len(axes.get_xticks()) > 4:
            axes.tick_params(axis="x", rotation=90, labelsize=6)


def _explain_bars(figure: Figure, drawn: list[str]) -> None:
    handles = [
        Patch(facecolor=GROUP_COLOURS[group], hatch=GROUP_HATCHES[group], label=group)
        for group in drawn
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=3,
        title="classes by their samples in training\n"
        "(mean over seeds; whiskers: standard deviation, if n > 1)",
    )


def _dots(axes: Axes, pairs: list[tuple[Json, Json]]) -> None:
    counts = np.mean([run["data"]["train_counts"] for run, _ in pairs], axis=0)
    gain = mean_over_runs([class_recalls(run) - class_recalls(base) for run, base in pairs])
    for group, classes in count_groups(counts).items():
        own = classes[counts[classes] > 0]  # without training samples there is no place on the axis
        axes.plot(
            counts[own],
            gain[own],
            "o",
            markersize=2.5,
            markeredgewidth=0,
            color=COUNT_COLOURS[group],
            alpha=0.3,
            rasterized=True,  # thirty methods of 650 classes each would be megabytes of marks
        )
    axes.plot(*running_mean(counts, gain), color="black", linewidth=1.2)
    axes.axhline(0, color="black", linewidth=0.7)
    mark_count_groups(axes)


def _explain_dots(figure: Figure, grid: list[Axes]) -> None:
    for axes in grid:
        axes.set_xscale("log")
        logarithmic(axes.xaxis)
        axes.tick_params(labelsize=6)
    figure.legend(
        handles=[
            *(
                Line2D([], [], linestyle="", marker="o", color=COUNT_COLOURS[group],
                       label=f"{group}: {words} training samples")
                for group, words in GROUPS_IN_WORDS.items()
            ),
            Line2D([], [], color="black", label="running mean of classes of about that size"),
        ],
        loc="outside lower center",
        ncols=2,
        fontsize=7,
        title="a dot is a class, by its training samples (mean over seeds)",
    )  # fmt: skip
