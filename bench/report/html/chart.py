"""The chart of the first screen, in percent of its width: a dot and an interval a method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.report.document.numbers import fixed
from bench.report.html.results import Line, Place, signed

# Widths of the range of all dots that an interval may reach beyond it; what is longer is cut.
_REACH = 0.75
# Widths of that range that the line of chance may lie beside it.
_NEAR = 1.5
_MARGIN = 0.06
_TICKS = 6


@dataclass(frozen=True)
class Whisker:
    """An interval by its ends, and on which sides it is cut off."""

    low: float
    high: float
    cut_low: bool
    cut_high: bool


@dataclass(frozen=True)
class Mark:
    """A method in the chart; places are in percent of the width.

    Attributes
    ----------
    best : bool
        Bold, and above chance: few seeds may not show that a method at chance is worse.
    behind : str
        Points to the best, which itself has none.
    says : str
        The same in words.
    """

    line: Line
    best: bool
    behind: str
    dot: float | None
    whisker: Whisker | None
    runs: tuple[float, ...]
    published: float | None
    says: str


@dataclass(frozen=True)
class Chart:
    """A place as a chart.

    Attributes
    ----------
    ticks : tuple of (float, str)
        Where they are and what they say.
    chance : float or None
        Where the balanced accuracy of a constant prediction is, if it is near enough.
    """

    place: Place
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    chance: float | None
    chance_says: str


def chart_of(place: Place) -> Chart:
    """The chart of a place; without ticks where no method has a figure."""
    known = [value for line in place.lines for value in _dots(line)]
    chance = level = _chance(place.lines)
    if not known:
        marks = tuple(_mark(line, level, 0.0, 0.0, 100.0) for line in place.lines)
        return Chart(place, marks, (), None, "")
    top = 0.0 if place.best is None else place.best.cell.mean or 0.0
    low, high = min(known), max(known)
    if chance is not None and low - chance > _NEAR * max(high - low, 1.0):
        chance = None
    if chance is not None:
        low, high = min(low, chance), max(high, chance)
    low, high = _range(place.lines, low, high)

    def at(value: float) -> float:
        return _share(value, low, high)

    return Chart(
        place,
        tuple(_mark(line, level, top, low, high) for line in place.lines),
        tuple((at(tick), f"{tick:g}") for tick in _ticks(low, high)),
        None if chance is None else at(chance),
        "" if chance is None else fixed(chance, 1),
    )


def _dots(line: Line) -> Iterator[float]:
    yield from line.cell.values.values()
    if line.cell.published is not None:
        yield line.cell.published


def _chance(lines: Sequence[Line]) -> float | None:
    """Balanced accuracy of a constant prediction."""
    runs = (run for line in lines for run in line.cell.runs)
    return next((run.result.chance for run in runs if run.result is not None), None)


def _range(lines: Sequence[Line], low: float, high: float) -> tuple[float, float]:
    """Room for all dots, and for intervals as far as they are not much wider than these."""
    width = max(high - low, 2.0)
    ends = [end for line in lines for end in line.cell.interval or ()]
    first = max(min([low, *ends]), low - _REACH * width)
    last = min(max([high, *ends]), high + _REACH * width)
    margin = _MARGIN * max(last - first, 2.0)
    return max(first - margin, -1.0), min(last + margin, 101.0)


def _share(value: float, low: float, high: float) -> float:
    return round(100 * (min(max(value, low), high) - low) / (high - low), 2)


def _mark(line: Line, chance: float | None, top: float, low: float, high: float) -> Mark:
    cell = line.cell
    if cell.mean is None:
        return Mark(line, False, "", None, None, (), None, f"no complete run ({line.state})")
    says = f"{fixed(cell.mean)} percent"
    whisker = None
    if cell.interval is not None:
        ends = cell.interval
        whisker = Whisker(
            _share(ends[0], low, high), _share(ends[1], low, high), ends[0] < low, ends[1] > high
        )
        says += f", 95 % interval {fixed(ends[0])} to {fixed(ends[1])}"
    published = None
    if cell.published is not None:
        published = _share(cell.published, low, high)
        says += f"; published {fixed(cell.published)}"
    runs = [_share(value, low, high) for value in cell.values.values()] if cell.n > 1 else []
    best = line.figures[0].best and (chance is None or cell.mean > chance)
    behind = "" if cell.mean == top else signed(cell.mean - top, 1)
    dot = _share(cell.mean, low, high)
    return Mark(line, best, behind, dot, whisker, tuple(runs), published, says)


def _ticks(low: float, high: float) -> list[float]:
    """At most some round numbers."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(number * step, 6) for number in range(first, last + 1)]
