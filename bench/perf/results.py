"""What a measurement yields, each kind a table of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.perf.spread import Spread

OURS = "ours"
"""Title of the backend that the others are set against."""

Unit = Literal["ms", "s", "1/s", "MB"]


@dataclass(frozen=True)
class Row:
    """The same work by every backend.

    Attributes
    ----------
    what : str
        The work.
    spreads : mapping of str to Spread
        Title of a backend to the seconds it takes, or, where `unit` is ``"1/s"``, to the
        seconds a piece, or, where it is ``"MB"``, to bytes.
    unit : {"ms", "s", "1/s", "MB"}
        Shown.
    batch_size, threads : int or None
        None where it does not matter.
    floor : float or None
        Seconds below which ours cannot come.
    floor_by : str
        What would take them.
    """

    what: str
    dataset: str
    spreads: Mapping[str, Spread]
    unit: Unit
    batch_size: int | None = None
    threads: int = 1
    floor: float | None = None
    floor_by: str = ""


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


@dataclass(frozen=True)
class Shares:
    """What a training step's time goes to.

    Attributes
    ----------
    methods : mapping of str to mapping of str to Spread
        Title of a method to the seconds of each part of its step.
    """

    dataset: str
    batch_size: int
    methods: Mapping[str, Mapping[str, Spread]]


@dataclass(frozen=True)
class WholeJob:
    """A command that did many runs.

    Attributes
    ----------
    seconds : float
        From its start to its end.
    side_by_side : int
        Runs at once.
    runs : int
    run_seconds : float
        Of all runs, each from its opened data to its predictions.
    """

    what: str
    seconds: float
    side_by_side: int
    runs: int
    run_seconds: float

    @property
    def beyond_runs(self) -> float:
        """Seconds of a core, for each run, that the runs themselves did not take."""
        return (self.seconds * self.side_by_side - self.run_seconds) / self.runs


@dataclass(frozen=True)
class Remark:
    """What is said in words."""

    text: str


Finding = Row | Comparison | Shares | WholeJob | Remark


@dataclass
class Results:
    """All that one command has measured.

    Attributes
    ----------
    facts : dict of str to str
        The machine and the versions.
    remarks : list of str
        What the reader must know beside the figures.
    found : list of Finding
    """

    facts: dict[str, str]
    remarks: list[str]
    found: list[Finding] = field(default_factory=list)

    def add(self, found: Finding) -> None:
        """Put a measurement where it belongs."""
        if isinstance(found, Remark):
            self.remarks.append(found.text)
        else:
            self.found.append(found)
