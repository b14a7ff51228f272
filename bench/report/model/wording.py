"""Numbers as sentences and tables have them."""

from __future__ import annotations

DECIMALS = 2


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


def split_heading(split: str) -> str:
    """A split's name as a heading; one that is no word, as with options, stays as it is.

    Examples
    --------
    >>> split_heading("random"), split_heading("cv5"), split_heading("random[seed_of=A]")
    ('Random split', 'cv5 split', 'random[seed_of=A] split')
    """
    return f"{split.capitalize() if split.isalpha() else split} split"


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds is None:
        return ""
    if seconds < 0.05:
        return "< 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"
