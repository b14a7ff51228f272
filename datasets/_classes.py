"""Classes from the texts of a column: by their names, or by cuts through measurements."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import numpy as np

from bench.errors import DataError
from bench.plain_text import some_of

# Numbers as JSON writes them: "007" is a name, and so is a value no table would print.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")

# A whole number with a fraction of zeros.
_WHOLE = re.compile(r"(0|-?[1-9][0-9]*)\.0+")

# From so many classes on, numbers that hardly repeat are measurements; with more than so many, most
# of them fractions, so are numbers that do.
_MANY = 10
_MOST_FRACTIONS = 100

_MEASURED = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_CUT = re.compile(rf"(<=|>=|<|>)?\s*({_MEASURED}(?:\s*,\s*{_MEASURED})*)")
_VALUE = re.compile(rf"(<=|>=|<|>|=|~)?\s*({_MEASURED})")
# One sign for each way to write it, which ChEMBL's files and spreadsheets have.
_SIGNS = {"≤": "<=", "≥": ">=", "<<": "<", ">>": ">", "≈": "~"}
_SHOWN = 5


class OneClassError(DataError):
    """A column has fewer than two classes."""


@dataclass(frozen=True)
class Classes:
    """The classes of the rows of a column that are there.

    Attributes
    ----------
    names : tuple of str
        In order, length K.
    numbers : mapping of int to int
        Row to the number of its class, of rows that have one.
    bad, undecided : mapping of int to str
        Rows that have none, and why: the text is no number, or the cut does not decide it.
    notes : tuple of str
    """

    names: tuple[str, ...]
    numbers: Mapping[int, int]
    bad: Mapping[int, str] = field(default_factory=dict)
    undecided: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def classes_by_name(texts: Mapping[int, str], where: str) -> Classes:
    """Every distinct text is a class; ``1`` and ``1.0`` are one, ``1.1`` and ``1.10`` two.

    Parameters
    ----------
    texts : mapping of int to str
        Row to its text.
    where : str
        The column, as messages name it.

    Raises
    ------
    OneClassError
        There are fewer than two.
    DataError
        They look like measurements.
    """
    names = _class_names(list(texts.values()))
    classes = list(dict.fromkeys(names.values()))
    if len(classes) < 2:
        raise OneClassError(
            f"Expected at least two classes {where}, but "
            f"got {classes or 'no usable label'}. Choose another label column."
        )
    _refuse_measurements(classes, len(texts), where)
    _refuse_qualified(list(texts.values()), where)
    number = {name: k for k, name in enumerate(classes)}
    numbers = {row: number[names[text]] for row, text in texts.items()}
    return Classes(tuple(classes), numbers, notes=_notes(numbers, classes) + _spellings(classes))


@dataclass(frozen=True)
class Cut:
    """Where a column of measurements is cut into classes.

    Attributes
    ----------
    below : bool
        Whether a value that equals a limit belongs to the class below it.
    limits : tuple of str
        Rising numbers.
    """

    below: bool
    limits: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Cut:
        """A cut as one writes it: ``<=1000``, ``>5``, or ``100,1000`` for three classes.

        Raises
        ------
        ValueError
            It is none.

        Examples
        --------
        >>> Cut.parse(">1000").text, Cut.parse("<1000").names, Cut.parse("100, 1000").names
        ('<=1000', ('<1000', '>=1000'), ('<=100', '>100 and <=1000', '>1000'))
        """
        match = _CUT.fullmatch(_plain(text))
        if match is None:
            raise ValueError(
                "expected a number with <, <=, > or >= before it, such as <=1000, or rising "
                f"numbers, such as 100,1000, but got {text!r}"
            )
        limits = tuple(limit.strip() for limit in match[2].split(","))
        values = [Decimal(limit) for limit in limits]
        if any(low >= high for low, high in pairwise(values)):
            raise ValueError(f"expected rising numbers, such as 100,1000, but got {text!r}")
        # What is above 1000 is cut off from what is 1000 and less.
        return cls(match[1] in (None, "<=", ">"), limits)

    @property
    def text(self) -> str:
        """The one way to write it."""
        return f"{'<=' if self.below else '<'}{','.join(self.limits)}"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes, from low to high."""
        under, over = ("<=", ">") if self.below else ("<", ">=")
        return (
            f"{under}{self.limits[0]}",
            *(f"{over}{low} and {under}{high}" for low, high in pairwise(self.limits)),
            f"{over}{self.limits[-1]}",
        )

    def place(self, text: str) -> int | None:
        """The class of a value; None where its qualifier leaves that open.

        Raises
        ------
        ValueError
            It is no number.

        Examples
        --------
        >>> cut = Cut.parse("<=1000")
        >>> [cut.place(text) for text in ("1000", "1000.1", ">1000", "<5", ">5", ">=1000", "~7")]
        [0, 1, 1, 0, None, None, None]
        """
        sign, value = _measured(text)
        limits = [Decimal(limit) for limit in self.limits]
        # The class of the value itself, of what is just under it, and of what is just over it.
        under, over = bisect_left(limits, value), bisect_right(limits, value)
        exactly = under if self.below else over
        if sign in ("", "="):
            return exactly
        lowest, highest = (
            {"<": under, "<=": exactly}.get(sign),
            {">": over, ">=": exactly}.get(sign),
        )
        if lowest == 0:
            return 0
        return highest if highest == len(limits) else None


def classes_by_cut(texts: Mapping[int, str], cut: Cut, where: str) -> Classes:
    """Classes of a column of measurements, some of which may have a qualifier, such as ``>10000``.

    A class without any row is left out. Parameters are those of :func:`classes_by_name`.

    Raises
    ------
    OneClassError
        The cut leaves fewer than two; the message says from where to where the values go.
    DataError
        There is no number.
    """
    found: dict[int, int] = {}
    bad: dict[int, str] = {}
    undecided: dict[int, str] = {}
    places = {text: _place_or_reason(cut, text) for text in set(texts.values())}
    for row, text in texts.items():
        place = places[text]
        if isinstance(place, int):
            found[row] = place
        elif place is None:
            undecided[row] = f"the cut {cut.text} does not decide {text!r}"
        else:
            bad[row] = place
    if texts and len(bad) == len(texts):
        raise DataError(
            f"Expected numbers {where}, to be cut at {cut.text}, but got only texts such as "
            f"{', '.join(map(repr, sorted({*texts.values()})[:_SHOWN]))} in {len(bad):,} rows. "
            "Choose another label column, or leave the cut out."
        )
    used = sorted(set(found.values()))
    if len(used) < 2:
        numbers = sorted(_measured(texts[row])[1] for row in (*found, *undecided))
        reach = f"{numbers[0]} to {numbers[-1]}" if numbers else "nothing"
        raise OneClassError(
            f"Expected at least two classes {where}, cut at {cut.text}, but got "
            f"{[cut.names[k] for k in used] or 'none'}: the numbers there go from {reach}. "
            "Choose a cut between them."
        )
    names = tuple(cut.names[k] for k in used)
    numbers_of = {row: used.index(place) for row, place in found.items()}
    notes = [*_notes(numbers_of, names)]
    if empty := [name for name in cut.names if name not in names]:
        notes.append(f"No value is in the classes {', '.join(empty)}: they are left out.")
    if undecided:
        shown = sorted({texts[row] for row in undecided})[:_SHOWN]
        notes.append(
            f"{len(undecided):,} rows are left out as the cut {cut.text} does not decide them, "
            f"such as {', '.join(shown)}."
        )
    return Classes(names, numbers_of, bad, undecided, tuple(notes))


def _place_or_reason(cut: Cut, text: str) -> int | str | None:
    try:
        return cut.place(text)
    except ValueError as error:
        return str(error)


def _measured(text: str) -> tuple[str, Decimal]:
    """The qualifier of a measurement, empty where it has none, and its number."""
    match = _VALUE.fullmatch(_plain(text))
    if match is None:
        raise ValueError(f"expected a number to be cut, but got {text!r}")
    return match[1] or "", Decimal(match[2])


def _plain(text: str) -> str:
    for written, sign in _SIGNS.items():
        text = text.replace(written, sign)
    return text.strip()


def _refuse_measurements(classes: Sequence[str], rows: int, where: str) -> None:
    if not all(_NUMBER.fullmatch(name) for name in classes):
        return
    hardly_repeat = len(classes) >= _MANY and 2 * len(classes) > rows
    fractions = sum("." in name for name in classes)
    many = len(classes) > _MOST_FRACTIONS and 2 * fractions > len(classes)
    if hardly_repeat or (many and not _spellings(classes)):  # 1.1 and 1.10 are codes
        raise _are_measurements(where, f"{len(classes)} different numbers in {rows}", classes)


def _refuse_qualified(texts: Sequence[str], where: str) -> None:
    """Refuse numbers with qualifiers among them; those without one hardly repeat."""
    signs: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        match = _VALUE.fullmatch(_plain(text))
        if match is None:
            return
        signs[text] = match[1] or ""
    qualified = [text for text, sign in signs.items() if sign]
    exact = [text for text in texts if not signs[text]]
    distinct = list(dict.fromkeys(exact))
    if qualified and len(distinct) >= _MANY and 2 * len(distinct) > len(exact):
        what = f"{len(distinct)} different numbers, and some with a qualifier, in {len(texts)}"
        raise _are_measurements(where, what, [*distinct[:2], qualified[0]])


def _are_measurements(where: str, what: str, examples: Sequence[str]) -> DataError:
    return DataError(
        f"Expected classes {where}, but got {what} rows, such as {', '.join(examples[:3])}: they "
        "look like measurements. Make a column of classes out of them first, such as 'active' "
        'from a limit on, and name that column; or cut them with --label-cut, such as "<=1000".'
    )


def _class_names(texts: Sequence[str]) -> dict[str, str]:
    """Label text to class name; the names stand in class order.

    Whole numbers have one name. Fractions stay as they are written: 1.1 and 1.10 may be codes.
    """
    if not all(_NUMBER.fullmatch(text) for text in texts):
        words = {text: m[1] if (m := _WHOLE.fullmatch(text)) else text for text in set(texts)}
        return dict(sorted(words.items(), key=lambda item: item[::-1]))
    # Decimal, as float would make one class of large neighbouring numbers.
    values = {text: Decimal(text) for text in set(texts)}
    names = {
        text: str(int(value)) if value == value.to_integral_value() else text
        for text, value in values.items()
    }
    return {text: names[text] for text in sorted(values, key=lambda text: (values[text], text))}


def _spellings(classes: Sequence[str]) -> tuple[str, ...]:
    """A remark where two classes are one number."""
    if not all(_NUMBER.fullmatch(name) for name in classes):
        return ()
    equal = [pair for pair in pairwise(classes) if Decimal(pair[0]) == Decimal(pair[1])]
    if not equal:
        return ()
    shown = some_of([" and ".join(map(repr, pair)) for pair in equal], _SHOWN)
    return (f"A number in two spellings is two classes: {shown}.",)


def _notes(numbers: Mapping[int, int], classes: Sequence[str]) -> tuple[str, ...]:
    counts = np.bincount(list(numbers.values()), minlength=len(classes))
    single = [name for name, count in zip(classes, counts, strict=True) if count == 1]
    if not single:
        return ()
    shown = ", ".join(map(repr, single[:5])) + (", ..." if len(single) > 5 else "")
    return (f"{len(single)} of {len(classes)} classes have a single sample: {shown}.",)
