"""How numbers look in tables for people; CSV files have their own, fuller form."""

from __future__ import annotations

from bench.report.model.cells import Cell
from bench.report.model.classes import missing_classes
from bench.report.model.wording import DECIMALS, counted, duration, fixed, split_heading

__all__ = [
    "DECIMALS",
    "FAILED",
    "HOLE",
    "ONE_RUN",
    "STAND_IN",
    "counted",
    "duration",
    "figure",
    "fixed",
    "interval",
    "published",
    "share",
    "split_heading",
]

HOLE = "\N{EN DASH}"
# Behind a figure: runs failed. Behind a data set: it stands in the place of another.
FAILED = "†"
STAND_IN = "‡"
# Behind whatever rests on a single seed, in the sentence itself.
ONE_RUN = " (one trained run of a method)"


def figure(cell: Cell) -> str:
    """``71.89 ± 0.61``; the mean alone for one run; a dash for none; ``n/a`` if undefined.

    With ``(3 of 5 classes)`` behind it where classes without test samples are left out.
    """
    if cell.mean is None:
        return "n/a" if cell.undefined else HOLE
    decimals = cell.measure.decimals
    text = fixed(cell.mean, decimals)
    text += "" if cell.std is None else f" ± {fixed(cell.std, decimals)}"
    missing = missing_classes(cell)
    return f"{text} ({missing})" if missing else text


def interval(bounds: tuple[float, float] | None, decimals: int = DECIMALS) -> str:
    """``71.10 to 72.68``, or a dash where there is none."""
    return HOLE if bounds is None else " to ".join(fixed(bound, decimals) for bound in bounds)


def share(cell: Cell) -> str:
    """``(2/3)``, with a blank before it, where a planned run is not in the mean."""
    return "" if cell.complete or cell.undefined else f" ({cell.n}/{cell.expected})"


def published(cell: Cell) -> str:
    """The paper's figure, or nothing where it printed none."""
    return "" if cell.published is None else fixed(cell.published)
