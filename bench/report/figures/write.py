"""Writes the figures of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from joblib import Parallel, delayed
from matplotlib.figure import Figure

from bench.errors import StoreError
from bench.files import write_atomically
from bench.report.figures.class_size import class_size_figures
from bench.report.figures.confusion import confusion_figures
from bench.report.figures.cost import cost_figures
from bench.report.figures.critical_difference import critical_difference_figures
from bench.report.figures.curves import curve_figures
from bench.report.figures.embedding import Embedding, embedding_figures
from bench.report.figures.gain import gain_figures
from bench.report.figures.groups import group_figures
from bench.report.figures.omega import omega_figures
from bench.report.figures.source import Source
from bench.report.figures.style import files_of, style


def write_figures(
    folder: Path, source: Source, *, embeddings: Sequence[Embedding] = (), jobs: int = 1
) -> list[Path]:
    """Write every figure that `source` has numbers for into `folder`, which is made if absent.

    Equal arguments give equal bytes, whatever `jobs` is.

    Parameters
    ----------
    folder : Path
        Such as ``results/figures``.
    source : Source
        Of :func:`bench.report.figures.source.source_of`.
    embeddings : sequence of Embedding, optional
        Runs whose embeddings are drawn too; they need weights and data.
    jobs : int
        Processes that draw side by side.

    Returns
    -------
    list of Path
        Each figure as PDF, SVG and PNG.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    kinds = [*_KINDS, partial(embedding_figures, embeddings=embeddings)]
    parts = Parallel(n_jobs=jobs)(delayed(_files)(kind, source) for kind in kinds)
    files = {name: content for part in parts for name, content in part.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError as error:
        raise StoreError(
            f"Expected to write figures to {folder}, but got: {error}. Free the place or choose "
            "another folder."
        ) from error
    return [folder / name for name in files]


Kind = Callable[[Source], Iterator[tuple[str, Figure]]]

# What takes longest stands first, so that no process waits for it in the end.
_KINDS: tuple[Kind, ...] = (
    curve_figures,
    confusion_figures,
    gain_figures,
    class_size_figures,
    group_figures,
    critical_difference_figures,
    cost_figures,
    omega_figures,
)


def _files(kind: Kind, source: Source) -> dict[str, bytes]:
    """Every figure of a kind, by the name of its file."""
    with style():
        return {
            f"{name}.{suffix}": content
            for name, figure in kind(source)
            for suffix, content in files_of(figure).items()
        }
