"""Rows of a file that are left out: what kind they are, and how many may be bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data.prepared import Kind, Unusable
from bench.errors import DataError

FEW_BAD = 5
"""So many bad rows are accepted in a file of any size, unless none is allowed."""

# Rows that a record lists; how many there are stands beside them.
_LISTED = 1000
_SHOWN = 5

_WORDS: dict[Kind, str] = {
    "unlabelled": "without a label",
    "bad": "bad",
    "conflict": "in conflict with an equal sample",
}


def too_many(bad: int, rows: int, max_bad: float) -> bool:
    """Whether `bad` of `rows` rows with a label are more than the share `max_bad` allows.

    Examples
    --------
    >>> too_many(5, 60, 0.01), too_many(6, 60, 0.01), too_many(6, 60, 0.1), too_many(1, 60, 0)
    (False, True, False, True)
    """
    return bad > (max(FEW_BAD, max_bad * rows) if max_bad else 0)


class TooManyBadError(DataError):
    """A file has more bad rows than the share `max_bad` allows.

    Parameters
    ----------
    bad : sequence of Unusable
    rows : int
        Rows with a label.
    max_bad : float
    path : Path
        The file, as the message names it.
    whole : bool
        Whether all rows were looked at.
    """

    def __init__(
        self, bad: Sequence[Unusable], rows: int, max_bad: float, path: Path, *, whole: bool = True
    ) -> None:
        first = "\n".join(f"  {row}" for row in bad[:_SHOWN])
        super().__init__(
            f"Expected at most {_limit(max_bad)} of the {rows:,} rows with a label in {path} to be "
            f"bad, but got {'' if whole else 'at least '}{len(bad):,}. Mend or remove them, or "
            "allow more with --max-bad (the option max_bad of a CSV data set). The first, counted "
            f"from 0 below the header:\n{first}"
        )


def _limit(max_bad: float) -> str:
    return f"{max_bad:.4%}".rstrip("0%").rstrip(".") + f"% (or {FEW_BAD})" if max_bad else "none"


def summary(rows: Sequence[Unusable]) -> str:
    """How many rows of each kind, and which the first bad ones are; empty without any.

    Examples
    --------
    >>> summary([Unusable(0, "0", "no label", "unlabelled"), Unusable(7, "7", "unclosed ring")])
    '1 without a label, 1 bad (counted from 0 below the header: 7)'
    """
    counts = Counter(row.kind for row in rows)
    parts = {kind: f"{counts[kind]:,} {words}" for kind, words in _WORDS.items() if counts[kind]}
    bad = [str(row.row) for row in rows if row.kind == "bad"]
    if bad:
        more = ", ..." if len(bad) > _SHOWN else ""
        parts["bad"] += f" (counted from 0 below the header: {', '.join(bad[:_SHOWN])}{more})"
    return ", ".join(parts.values())


def facts(rows: Sequence[Unusable]) -> dict[str, Any]:
    """What a record keeps: counts by kind, and the first thousand bad rows."""
    counts = Counter(row.kind for row in rows)
    listed = [row.row for row in rows if row.kind == "bad"][:_LISTED]
    return {**{kind: counts[kind] for kind in _WORDS}, "bad_rows": listed}
