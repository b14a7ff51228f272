"""How all figures look, and how they become files."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from PIL import Image

from bench.metrics.groups import COUNT_BOUNDS
from bench.report.model.cells import Column
from bench.report.model.published import STAND_INS

# Okabe and Ito, Color Universal Design, 2008, without the yellow, which is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# As many markers as share no factor with the colours: pairs repeat after 63 series.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")

GROUP_COLOURS = {"head": "#0072B2", "middle": "#E69F00", "tail": "#D55E00"}
GROUP_HATCHES = {"head": "", "middle": "////", "tail": "xxxx"}
COUNT_COLOURS = {"many": "#0072B2", "medium": "#E69F00", "few": "#D55E00"}

# A printed page between margins.
WIDTH_INCHES = 7.2

_LOWEST_INCHES = 2.8
_HEADLINE_POINTS = 9.6
_SIDE_POINTS = 8
# Of the name of a row in one line; and the height of a line, in inches.
_ROW_LETTERS = 44
_LINE_INCHES = 0.14

_DOTS_PER_INCH = 200
_CANVASES: dict[str, type[FigureCanvasBase]] = {
    "pdf": FigureCanvasPdf, "svg": FigureCanvasSVG, "png": FigureCanvasAgg,
}  # fmt: skip

# A file of equal content is equal: nothing in it may come from the clock or from chance.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


SUFFIXES = tuple(_METADATA)


@contextmanager
def style() -> Iterator[None]:
    """Settings under which figures are made and saved."""
    settings: dict[Any, Any] = {
        # A name is not a formula, whatever dollar signs it holds.
        "text.parse_math": False,
        "svg.hashsalt": "figures",
        "pdf.fonttype": 42,
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.5,
        "hatch.linewidth": 0.5,
        "hatch.color": "white",
        "legend.frameon": False,
        "lines.markersize": 4.5,
    }
    with mpl.rc_context(settings):
        yield


def panels(
    count: int, columns: int, height: float, *, sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `height` inches each, as wide as a page holds.

    It is never so low that the name of its axis does not fit.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    # A lone panel across the page would look like a mistake.
    width = WIDTH_INCHES if columns > 1 else 5.0
    size = (width, max(rows * height + 0.7, _LOWEST_INCHES))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    for axes in grid.flat[count:]:
        axes.remove()
    for axes in grid.flat[max(count - columns, 0) : count]:
        # The lowest of a column, which the row below may not reach.
        axes.tick_params(axis="x", labelbottom=True)
    return figure, list(grid.flat[:count])


def titled_panels(
    titles: Sequence[str],
    columns: int,
    height: float,
    *,
    font: float = 8,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """:func:`panels` with titles, higher where a title takes more than three lines."""
    # Margins and bars take up to a fifth.
    lines = [in_lines(title, 0.8 * WIDTH_INCHES / columns, font) for title in titles]
    more = max(max(title.count("\n") for title in lines) - 2, 0)
    figure, grid = panels(len(lines), columns, height, sharex=sharex, sharey=sharey)
    rows = math.ceil(len(lines) / columns)
    figure.set_figheight(figure.get_figheight() + rows * more * _LINE_INCHES)
    for axes, title in zip(grid, lines, strict=True):
        axes.set_title(title, fontsize=font)
    return figure, grid


def in_lines(text: str, inches: float, font: float) -> str:
    """`text` in lines that fit a width; "n = 3" stays together."""
    # A letter is not quite .6 as wide as its font is high.
    letters = int(inches * 72 / (0.6 * font))
    lines = textwrap.fill(text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"), letters)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def rows_high(names: Sequence[str], least: float) -> float:
    """Inches of as many rows, `least` or more each, that :func:`name_rows` names."""
    lines = max((len(textwrap.wrap(name, _ROW_LETTERS)) for name in names), default=1)
    return max(least, _LINE_INCHES * lines) * len(names)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names beside the axis, in lines that leave room for what they name; the first on top."""
    axes.set_yticks(range(len(names)), [textwrap.fill(name, _ROW_LETTERS) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def headline(figure: Figure, text: str) -> None:
    """The figure's title, in lines that fit its width."""
    lines = in_lines(text, figure.get_figwidth(), _HEADLINE_POINTS)
    figure.suptitle(lines, fontsize=_HEADLINE_POINTS)


def side_label(figure: Figure, text: str, colour: str = "black") -> None:
    """The name of an axis that all panels share, in lines that fit the figure's height."""
    # Title and legend take up to a third of the height.
    lines = in_lines(text, 0.65 * figure.get_figheight(), _SIDE_POINTS)
    figure.supylabel(lines, fontsize=_SIDE_POINTS, color=colour, multialignment="center")


def whiskers(
    mean: np.ndarray, deviation: np.ndarray, low: float = 0.0, high: float = 100.0
) -> np.ndarray:
    """Lengths of whiskers below and above each mean that stay within what a figure can be.

    Parameters
    ----------
    mean, deviation : ndarray of float, shape (k,)
        Of figures between `low` and `high`.

    Returns
    -------
    ndarray of float, shape (2, k)

    Examples
    --------
    >>> whiskers(np.array([50.0, 98.0]), np.array([5.0, 5.0])).tolist()
    [[5.0, 5.0], [5.0, 2.0]]
    """
    return np.stack([np.minimum(deviation, mean - low), np.minimum(deviation, high - mean)])


def logarithmic(axis: Axis) -> None:
    """Round ticks, three or more even where the axis is short, as plain numbers."""
    axis.set_major_locator(_RoundLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:,.6g}"))
    axis.set_minor_formatter(NullFormatter())


class _RoundLocator(LogLocator):
    """At 1, 2 and 5 of each power of ten; nearer to each other where that leaves under three."""

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        for subs in ((1, 2, 5), range(1, 10)):
            ticks = list(LogLocator(subs=tuple(subs), numticks=6).tick_values(vmin, vmax))
            if sum(vmin <= tick <= vmax for tick in ticks) >= 3:
                return ticks
        return list(MaxNLocator(4).tick_values(vmin, vmax))


def whole(axis: Axis) -> None:
    """Ticks at whole numbers."""
    axis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def mark_count_groups(axes: Axes) -> None:
    """Lines where classes with few, medium and many training samples part, on the first axis."""
    for bound in COUNT_BOUNDS:
        axes.axvline(bound, color="black", linestyle=":", linewidth=0.7)


def say_empty(axes: Axes) -> None:
    """Mark a panel of a method without a complete run, so that it is not taken for a result."""
    axes.text(0.5, 0.5, "no complete run", transform=axes.transAxes, ha="center", va="center")
    axes.set_facecolor("#eeeeee")
    axes.grid(visible=False)


def place(split: str, column: Column) -> str:
    """Data set and split for a title, and for which data set this one is a proxy."""
    return f"{dataset(column)}, {split} split"


def dataset(column: Column) -> str:
    """The label, and for which data set this one is a proxy."""
    if column.name in STAND_INS:
        return f"{column.label} (proxy for {STAND_INS[column.name]})"
    return column.label


def files_of(figure: Figure, suffixes: Sequence[str] = SUFFIXES) -> dict[str, bytes]:
    """``pdf``, ``svg`` and ``png`` to the content of the file; equal figures, equal bytes."""
    # The layout is found once, not once a format.
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")
    files = {}
    for suffix in suffixes:
        stream = io.BytesIO()
        figure.set_dpi(_DOTS_PER_INCH)  # writing PDF and SVG changes it
        # Not savefig, which draws everything once more for a layout that is already found.
        write = getattr(_CANVASES[suffix](figure), f"print_{suffix}")
        write(stream, metadata=_METADATA[suffix])
        files[suffix] = stream.getvalue() if suffix != "png" else _with_palette(stream)
    return files


def _with_palette(stream: io.BytesIO) -> bytes:
    """The PNG image in `stream` in 256 colours: a third of the bytes, equal to the eye."""
    image = Image.open(stream)
    small = io.BytesIO()
    image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        small, "png", optimize=True
    )
    return small.getvalue()


def file_name(*parts: str) -> str:
    """`parts` joined; one that is no plain word, as labels hold anything, becomes a digest too."""
    return "_".join(_word(part) for part in parts)


def _word(part: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", part):
        return part
    name = re.sub(r"[^A-Za-z0-9_-]", "", part.partition("[")[0])[:32]
    return f"{name}-{sha256(part.encode()).hexdigest()[:8]}"
