"""Embeddings of a run in two dimensions, with sub-clusters where the method has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from bench.report.figures.source import Source, by_class_size, has_many_classes
from bench.report.figures.style import MARKERS, PALETTE, file_name, headline, logarithmic, panels


@dataclass(frozen=True)
class Embedding:
    """The embedded training set of one run.

    Attributes
    ----------
    job_id : str
    embeddings : ndarray of float, shape (N, D)
    labels : ndarray of int64, shape (N,)
    subclusters : ndarray of int64, shape (N,), or None
        Sub-cluster of each sample, -1 for none; None for a method without sub-clusters.
    """

    job_id: str
    embeddings: np.ndarray
    labels: np.ndarray
    subclusters: np.ndarray | None = None


def embedding_figures(
    source: Source, embeddings: Sequence[Embedding]
) -> Iterator[tuple[str, Figure]]:
    """One figure a run: the first two principal components, by class and by sub-cluster."""
    runs = {run.job_id: run for run in source.table.runs}
    for embedding in embeddings:
        run, record = runs[embedding.job_id], source.records[embedding.job_id]
        points, explained = project(embedding.embeddings)
        has_clusters = embedding.subclusters is not None and embedding.subclusters.max() >= 0
        figure, grid = panels(2 if has_clusters else 1, 2, 3.2, sharex=True, sharey=True)
        if has_many_classes(record):
            _by_size(figure, grid, points, embedding, np.array(record["data"]["train_counts"]))
        else:
            order = by_class_size(record)
            _samples(grid[0], points, embedding.labels, order, record["data"]["class_names"])
            if has_clusters:
                _centres(grid[1], points, embedding, order)
        for axes, name, share in zip((grid[0], grid[0]), "xy", explained, strict=True):
            place = "first" if name == "x" else "second"
            getattr(axes, f"set_{name}label")(f"{place} component ({share:.0%} of the variance)")
        headline(
            figure,
            f"Embeddings of the training set: {run.dataset}, {run.planned_split} split, "
            f"{run.method}, seed {run.seed}",
        )
        if grid[0].collections and not has_many_classes(record):
            figure.legend(loc="outside lower center", ncols=2, markerscale=4, fontsize=6)
        name = file_name("embedding", run.planned_split, run.dataset, run.method, str(run.seed))
        yield name, figure


def project(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components, (N, 2), and their shares of the variance, (2,)."""
    from sklearn.decomposition import PCA

    pca = PCA(2, svd_solver="full")
    return pca.fit_transform(embeddings.astype(np.float64)), pca.explained_variance_ratio_


def _samples(
    axes: Axes, points: np.ndarray, labels: np.ndarray, order: np.ndarray, names: Sequence[str]
) -> None:
    axes.set_title("samples, the rarest class on top")
    for place, k in enumerate(order):
        own = points[labels == k]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=3,
            linewidths=0,
            color=PALETTE[place % len(PALETTE)],
            marker=MARKERS[place % len(MARKERS)],
            # Tens of thousands of vector marks would make a file nobody can open.
            rasterized=True,
            # More names than these leave no room for the picture.
            label=f"{names[k]} ({len(own):,})" if len(order) <= 12 else None,
        )


def _centres(axes: Axes, points: np.ndarray, embedding: Embedding, order: np.ndarray) -> None:
    clusters = embedding.subclusters
    assert clusters is not None
    axes.set_title(f"centres of the {clusters.max() + 1} sub-clusters, in the class's colour")
    axes.scatter(points[:, 0], points[:, 1], s=1, linewidths=0, color="#cccccc", rasterized=True)
    place = {k: number for number, k in enumerate(order.tolist())}
    for cluster in range(clusters.max() + 1):
        own = clusters == cluster
        if own.any():
            # A sub-cluster holds samples of one class.
            number = place[int(embedding.labels[own][0])]
            axes.scatter(
                points[own, 0].mean(),
                points[own, 1].mean(),
                s=14,
                color=PALETTE[number % len(PALETTE)],
                marker=MARKERS[number % len(MARKERS)],
                edgecolors="black",
                linewidths=0.4,
            )


def _by_size(
    figure: Figure,
    grid: Sequence[Axes],
    points: np.ndarray,
    embedding: Embedding,
    counts: np.ndarray,
) -> None:
    """Samples, and centres of sub-clusters, in a colour for the size of their class."""
    norm = LogNorm(1, max(counts.max(), 2))
    sizes = np.maximum(counts, 1)[embedding.labels]
    # The rarest on top; yellow is faint on white, so the largest classes are the bright ones.
    order = np.argsort(-sizes, kind="stable")
    grid[0].set_title("samples, the rarest class on top")
    grid[0].scatter(
        points[order, 0],
        points[order, 1],
        s=3,
        linewidths=0,
        c=sizes[order],
        norm=norm,
        rasterized=True,
    )
    if len(grid) > 1:
        clusters = embedding.subclusters
        assert clusters is not None
        inside = clusters >= 0
        members = np.bincount(clusters[inside])
        centres = (
            np.stack(
                [np.bincount(clusters[inside], weights=axis) for axis in points[inside].T], axis=1
            )[members > 0]
            / members[members > 0, None]
        )
        # A sub-cluster holds samples of one class.
        of_class = np.unique(clusters[inside], return_index=True)[1]
        grid[1].set_title(f"centres of the {len(members)} sub-clusters")
        grid[1].scatter(
            points[:, 0], points[:, 1], s=1, linewidths=0, color="#cccccc", rasterized=True
        )
        grid[1].scatter(
            centres[:, 0], centres[:, 1], s=8, c=sizes[inside][of_class], norm=norm,
            edgecolors="black", linewidths=0.3,
        )  # fmt: skip
    bar = figure.colorbar(
        ScalarMappable(norm, "viridis"), ax=grid, label="samples of the class in training"
    )
    logarithmic(bar.ax.yaxis)
