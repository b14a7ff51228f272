"""Dates as they stand in files, and their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np

from bench.dataset import MISSING
from bench.errors import SplitError
from bench.plain_text import some_of

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)"
    r"(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
# Dates that are numbers as well: a month before its year, and no signs between the parts.
_MONTH_AND_YEAR = re.compile(r"(0?[1-9]|1[0-2])\.(19|20)\d\d", re.ASCII)
_COMPACT = re.compile(r"(1[5-9]|2[01])\d\d((0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])?)?", re.ASCII)
_DAY_FIRST = re.compile(r"(0?[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])(19|20)\d\d", re.ASCII)
# Rows that a message names.
_NAMED = 5


def ranks_of(texts: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Place of each date among the different ones, from 0; -1 where there is none.

    All are numbers, or all are dates.

    Parameters
    ----------
    texts : sequence of str, length M
    rows : ndarray of int64, shape (M,)
        Row of the file of each, for messages.

    Returns
    -------
    ndarray of int64, shape (M,)

    Raises
    ------
    SplitError
        A text is neither, or there are both; or all numbers look like dates that numbers put into
        another order, such as 5.2021 and 12.2020, 31012020 and 01022021, or 2020 and 20200131.

    Examples
    --------
    >>> ranks_of(["2020-01", "1999", "", "2020-01-01"], np.arange(4)).tolist()
    [1, 0, -1, 1]
    """
    stripped = [text.strip() for text in texts]
    given = {text for text in stripped if text.lower() not in MISSING}
    numbers = {text: Fraction(text) for text in given if _NUMBER.fullmatch(text)}
    dates = {text: date for text in given if (date := _moment(text)) is not None}
    known: dict[str, Fraction] | dict[str, datetime] = dates
    if len(numbers) == len(given):
        known = numbers
    other = [n for n, text in enumerate(stripped) if text in given and text not in known]
    if other:
        listed = some_of([f"row {rows[n]}: {texts[n]!r}" for n in other], _NAMED)
        raise SplitError(
            "Expected dates such as 2021, 2021-05, 2021-05-31 or 2021-05-31T12:00, or numbers "
            f"alone, but got other texts in {len(other)} rows (counted from 0 below the header): "
            f"{listed}. Mend them, or leave them empty."
        )
    if known is numbers:
        _refuse_dates_in_another_order(given)
    place = {value: n for n, value in enumerate(sorted(set(known.values())))}  # type: ignore[type-var]
    return np.array([place[known[text]] if text in known else -1 for text in stripped], np.int64)


def _refuse_dates_in_another_order(given: set[str]) -> None:
    lengths = {len(text): text for text in sorted(given, reverse=True)}
    if given and all(map(_MONTH_AND_YEAR.fullmatch, given)):
        found = f"a month before its year in every row, such as {min(given)}"
    elif all(map(_COMPACT.fullmatch, given)):
        if len(lengths) < 2:
            return
        several = ", ".join(lengths[length] for length in sorted(lengths))
        found = f"dates of several lengths, such as {several}"
    elif all(map(_DAY_FIRST.fullmatch, given)):
        found = f"a day before its year in every row, such as {min(given)}"
    else:
        return
    raise SplitError(
        f"Expected dates that have the order of numbers, but got {found}. Write them as 2021, "
        "2021-05 or 2021-05-31."
    )


def _moment(text: str) -> datetime | None:
    """The beginning of what `text` names, in UTC; None where it is no date."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, time, zone = match.groups()
    whole = f"{year}-{month or '01'}-{day or '01'}T{time or '00:00'}{zone or 'Z'}"
    try:
        return datetime.fromisoformat(whole).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
