"""What a search may draw for each option of a component, from the types of its fields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from bench.options import Choices, NotSearched, Options, Range

# Digits to which what is drawn is rounded, so that labels stay readable.
_DIGITS = 3


@dataclass(frozen=True)
class Numbers:
    """The numbers of a :class:`Range`, at places from 0 to 1.

    Attributes
    ----------
    range : Range
    whole : bool
        Whether they are whole numbers.
    """

    range: Range
    whole: bool

    def at(self, place: float) -> float:
        """The number at `place` in [0, 1)."""
        low, high = self._ends()
        if self.whole and self.range.scale == "linear":
            # Just below 1 the sum is rounded up.
            return min(math.floor(low + place * (high - low + 1)), int(high))
        number = self._back(low + place * (high - low))
        if self.whole:
            return round(number)
        if self.range.scale == "near one":
            return round(1 - float(f"{1 - number:.{_DIGITS}g}"), 12)
        return float(f"{number:.{_DIGITS}g}")

    def place(self, number: float) -> float:
        """Where `number` is, in [0, 1]; the nearest end where it is outside."""
        low, high = self._ends()
        inside = min(max(number, self.range.low), self.range.high)
        if self.whole and self.range.scale == "linear":
            return (inside - low + 0.5) / (high - low + 1)
        return min(max((self._scaled(inside) - low) / (high - low), 0.0), 1.0)

    def __str__(self) -> str:
        return f"{self.range.low:g} to {self.range.high:g}, {self.range.scale}"

    def _ends(self) -> tuple[float, float]:
        return self._scaled(self.range.low), self._scaled(self.range.high)

    def _scaled(self, number: float) -> float:
        if self.range.scale == "near one":
            return -math.log(1 - number)
        return math.log(number) if self.range.scale == "log" else number

    def _back(self, scaled: float) -> float:
        if self.range.scale == "near one":
            return 1 - math.exp(-scaled)
        return math.exp(scaled) if self.range.scale == "log" else scaled


@dataclass(frozen=True)
class Values:
    """Values of which each is equally likely."""

    values: tuple[Any, ...]

    def at(self, place: float) -> Any:
        """The value at `place` in [0, 1)."""
        return self.values[min(int(place * len(self.values)), len(self.values) - 1)]

    def __str__(self) -> str:
        return ", ".join(str(value) for value in self.values)


@dataclass(frozen=True)
class Searched:
    """An option that a search draws.

    Attributes
    ----------
    domain : Numbers or Values
    only : (str, value) or None
        Another option, which stands before, and the value without which this one has no effect.
    """

    domain: Numbers | Values
    only: tuple[str, Any] | None = None

    def __str__(self) -> str:
        where = "" if self.only is None else f", where {self.only[0]} is {self.only[1]}"
        return f"{self.domain}{where}"


def search_space(options_type: type[Options]) -> dict[str, Searched]:
    """The options that a search draws, by name, in order of declaration.

    What the type declares for a search, the choices of a ``Literal`` or a truth value, and
    numbers with both bounds. Text, lists and numbers without bounds stay as they are.
    """
    found = {key: _searched(field) for key, field in options_type.model_fields.items()}
    return {key: searched for key, searched in found.items() if searched is not None}


def _searched(field: FieldInfo) -> Searched | None:
    whole = field.annotation is int
    for item in field.metadata:
        if isinstance(item, NotSearched):
            return None
        if isinstance(item, Range):
            return Searched(Numbers(item, whole), item.only)
        if isinstance(item, Choices):
            return Searched(Values(item.values))
    if field.annotation is bool:
        return Searched(Values((False, True)))
    if get_origin(field.annotation) is Literal:
        return Searched(Values(get_args(field.annotation)))
    low, high = _bounds(field)
    if field.annotation in (int, float) and low is not None and high is not None:
        return Searched(Numbers(Range(low, high), whole))
    return None


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """The legal ends of a number; an end that is itself not legal is refused when it is drawn."""
    ends: dict[str, float] = {}
    for item in field.metadata:
        for bound in ("ge", "gt", "le", "lt"):
            if hasattr(item, bound):
                ends[bound[0]] = getattr(item, bound)
    return ends.get("g"), ends.get("l")
