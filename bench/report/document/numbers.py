"""How numbers look in tables for people; CSV files have their own, fuller form."""

from __future__ import annotations

from bench.report.model.cells import Cell
from bench.report.model.classes import missing_classes

DECIMALS = 2
HOLE = "\N{EN DASH}"
# Behind a figure: runs failed. Behind a data set: it stands in the place of another.
FAILED = "†"
STAND_IN = "‡"
# Behind whatever rests on a single seed, in the sentence itself.
ONE_RUN = " (one trained run of a method)"


def fixed(value: float, decimals: int = DECIMALS) -> str:
    """`value` with `decimals` places; a negative zero loses its sign."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def counted(count: int, one: str) -> str:
    """``1 run``, ``2 runs``, from the singular; for words whose plural ends in s.

    Examples
    --------
    >>> counted(1, "run"), counted(1200, "run")
    ('1 run', '1,200 runs')
    """
    return f"{count:,} {one}{'' if count == 1 else 's'}"


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


def split_heading(split: str) -> str:
    """A split's name as a heading; one that is no word, as with options, stays as it is.

    Examples
    --------
    >>> split_heading("random"), split_heading("cv5"), split_heading("random[seed_of=A]")
    ('Random split', 'cv5 split', 'random[seed_of=A] split')
    """
    return f"{split.capitalize() if split.isalpha() else split} split"
