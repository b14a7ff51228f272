"""Draws the figures of a sweep, and writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from joblib import Parallel, delayed
from matplotlib.figure import Figure

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
from bench.report.figures.style import SUFFIXES, files_of, style
from bench.report.writers.write import write_files


@dataclass(frozen=True)
class Picture:
    """A figure as it was drawn.

    Attributes
    ----------
    name : str
        Of its files, without ending.
    title : str
    files : mapping of str to bytes
        Ending to content.
    """

    name: str
    title: str
    files: Mapping[str, bytes]


def draw_figures(
    source: Source,
    *,
    embeddings: Sequence[Embedding] = (),
    jobs: int = 1,
    suffixes: Sequence[str] = SUFFIXES,
) -> list[Picture]:
    """Every figure that `source` has numbers for, in the order in which they are best looked at.

    Equal arguments give equal bytes, whatever `jobs` is.

    Parameters
    ----------
    source : Source
        Of :func:`bench.report.figures.source.source_of_table`.
    embeddings : sequence of Embedding, optional
        Runs whose embeddings are drawn too; they need weights and data.
    jobs : int
        Processes that draw side by side.
    suffixes : sequence of str
        The kinds of files that are wanted.
    """
    kinds = [*_KINDS, partial(embedding_figures, embeddings=embeddings)]
    drawn = Parallel(n_jobs=jobs)(delayed(_draw)(kind, source, suffixes) for kind in kinds)
    return [picture for of_kind in drawn for picture in of_kind]


def write_figures(folder: Path, pictures: Sequence[Picture]) -> list[Path]:
    """Write every file of `pictures` into `folder`, which is made if absent.

    Parameters
    ----------
    folder : Path
        Such as ``results/figures``.
    pictures : sequence of Picture
        Of :func:`draw_figures`.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    files = {
        f"{picture.name}.{suffix}": content
        for picture in pictures
        for suffix, content in picture.files.items()
    }
    write_files(folder, files)
    return [folder / name for name in files]


Kind = Callable[[Source], Iterator[tuple[str, Figure]]]

# In the order in which they are best looked at: first what a method does for the rare classes.
_KINDS: tuple[Kind, ...] = (
    group_figures,
    gain_figures,
    class_size_figures,
    confusion_figures,
    cost_figures,
    critical_difference_figures,
    curve_figures,
    omega_figures,
)


def _draw(kind: Kind, source: Source, suffixes: Sequence[str]) -> list[Picture]:
    """Every figure of a kind."""
    with style():
        return [
            Picture(name, " ".join(figure.get_suptitle().split()), files_of(figure, suffixes))
            for name, figure in kind(source)
        ]
