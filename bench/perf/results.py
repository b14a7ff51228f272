"""What a measurement yields: a row of contestants, or a comparison of two figures of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.perf.spread import Spread

OURS = "ours"
"""Title of the contestant that the others are set against."""

Unit = Literal["ms", "s", "1/s"]


@dataclass(frozen=True)
class Row:
    """The same work by every contestant.

    Attributes
    ----------
    what : str
        The work.
    spreads : mapping of str to Spread
        Title of a contestant to the seconds it takes, or, where `unit` is ``"1/s"``, to the
        seconds a piece.
    unit : {"ms", "s", "1/s"}
        Shown.
    batch_size, threads : int or None
        None where it does not matter.
    floor : float or None
        Seconds below which ours cannot come.
    """

    what: str
    dataset: str
    spreads: Mapping[str, Spread]
    unit: Unit
    batch_size: int | None = None
    threads: int = 1
    floor: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two figures of ours, and how many times the first the second is.

    Attributes
    ----------
    unit : str
        Of both spreads, which are shown as they are.
    """

    what: str
    dataset: str
    unit: str
    first: tuple[str, Spread]
    second: tuple[str, Spread]

    @property
    def ratio(self) -> float:
        """Second median over first median."""
        return self.second[1].median / self.first[1].median


@dataclass
class Results:
    """All that one command has measured.

    Attributes
    ----------
    facts : dict of str to str
        The machine and the versions.
    remarks : list of str
        What the reader must know beside the figures.
    """

    facts: dict[str, str]
    remarks: list[str]
    rows: list[Row] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    def add(self, found: Row | Comparison) -> None:
        """Put a measurement where it belongs."""
        if isinstance(found, Row):
            self.rows.append(found)
        else:
            self.comparisons.append(found)
