"""The class weights omega that methods with sub-clusters set as they train."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from bench.report.figures.source import Json, Source, by_class_size
from bench.report.figures.style import dataset, entitle, file_name, logarithmic, panels, whole


def omega_figures(source: Source) -> Iterator[tuple[str, Figure]]:
    """One figure a split, a panel a method and data set; the first seed that is complete."""
    for split in source.table.splits:
        drawn = []
        for column in source.table.columns_of(split):
            for row in source.rows(split, column):
                runs = source.runs(split, column, row)
                if runs and (record := runs[min(runs)])["history"] and weights(record) is not None:
                    drawn.append((f"{dataset(column)}: {row.heading}, seed {min(runs)}", record))
        if not drawn:
            continue
        figure, grid = panels(len(drawn), 2, 1.8)
        counts = [count for _, record in drawn for count in record["data"]["train_counts"]]
        # A class may have lost all its samples to other parts.
        norm = LogNorm(max(min(counts), 1), max(max(counts), 2))
        for axes, (title, record) in zip(grid, drawn, strict=True):
            entitle(axes, title, 2, font=7)
            _draw(axes, record, norm)
        bar = figure.colorbar(
            ScalarMappable(norm, "viridis"), ax=grid, label="samples of the class in training"
        )
        logarithmic(bar.ax.yaxis)
        figure.suptitle(f"Class weights omega over the epochs, {split} split")
        figure.supxlabel("epoch", fontsize=8)
        figure.supylabel("omega (a line a class; dashed: all alike)", fontsize=8)
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
    viridis = mpl.colormaps["viridis"]
    axes.axhline(omega[0].mean(), color="black", linestyle="--", linewidth=0.7)
    for k in by_class_size(record):
        axes.plot(epochs, omega[:, k], color=viridis(norm(max(counts[k], 1))), linewidth=1)
    whole(axes.xaxis)
