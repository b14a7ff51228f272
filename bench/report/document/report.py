"""A table that every writer prints: what stands in each place, and what kind of figure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.report.document.caption import caption
from bench.report.document.numbers import FAILED, HOLE, STAND_IN, figure, fixed, interval, share
from bench.report.model.cells import Cell, Column, Table
from bench.report.model.published import STAND_INS
from bench.report.model.tail import tail_interval

# ours: from run records; best: ours, and printed bold; paper: printed in the paper;
# flag: what a reader should not miss; category: of the methods below.
Kind = Literal["plain", "ours", "best", "paper", "flag", "category"]
Value = str | int | float | None

# What every report repeats from the caption of Table 2.
_OF_RUNS = ("Runs", "Training", "Mixed machines", "Mixed code", "Method settings")


@dataclass(frozen=True)
class Entry:
    """What stands in one place, as people read it; `after` is behind it, whatever its kind."""

    text: str
    kind: Kind = "plain"
    after: str = ""


@dataclass(frozen=True)
class Heading:
    """A column heading; neighbours of one `group` stand under a common one.

    Where a format has no common headings, the group is put before the text, unless the heading is
    the `companion` of the one before.
    """

    text: str
    group: str = ""
    companion: bool = False


@dataclass(frozen=True)
class Section:
    """Sentences, then subjects with what is said of each, then a table; each may be absent.

    A line of one entry is a heading across the table. `level` is that of the title.
    """

    title: str
    headings: tuple[Heading, ...] = ()
    lines: tuple[tuple[Entry, ...], ...] = ()
    paragraphs: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    level: int = 2


@dataclass(frozen=True)
class Report:
    """Everything that is printed under one name.

    Attributes
    ----------
    name : str
        Of its files, without ending.
    paragraphs : tuple of str
        Sentences before the tables.
    notes : tuple of (str, str)
        Subject and sentence: what a reader must know to read the tables rightly.
    csv_header, csv_lines
        The same figures for machines: text, numbers in full, None where there is none.
    """

    name: str
    title: str
    paragraphs: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    csv_header: tuple[str, ...]
    csv_lines: tuple[tuple[Value, ...], ...]


def ours(cell: Cell | None, *, best: bool = False, mark: str = FAILED) -> Entry:
    """Our figure: mean, deviation, share of the planned runs, and `mark` where runs failed.

    Behind a recall of rare classes stands its interval, see :mod:`bench.report.model.tail`.
    """
    if cell is None:
        return Entry(HOLE)
    bounds = tail_interval(cell)
    after = share(cell) + (f" [{interval(bounds, 1)}]" if bounds is not None else "")
    return Entry(figure(cell), "best" if best else "ours", after + mark * cell.failed)


def paper(value: float | None) -> Entry:
    """A figure of the paper's, in percent; nothing where it printed none."""
    return Entry("") if value is None else Entry(fixed(value), "paper")


def dataset_heading(column: Column) -> str:
    """The label of a data set, marked when it is a proxy for another."""
    return column.label + (STAND_IN if column.name in STAND_INS else "")


def marks(table: Table) -> list[tuple[str, str]]:
    """What the runs were, what each kind of figure looks like, and why runs failed."""
    return [
        *(pair for pair in caption(table) if pair[0] in _OF_RUNS),
        (
            "Marks",
            "upright figures are ours, from run records; figures in italics were printed in the "
            f"paper. (2/3): 2 of 3 planned runs are in the mean. {HOLE}: no figure. {FAILED}: runs "
            "failed, listed below. ± is the sample standard deviation over seeds.",
        ),
        *stand_ins(table),
        *failed_runs(table),
    ]


def stand_ins(table: Table) -> list[tuple[str, str]]:
    """Each proxy data set, and what that means."""
    return [
        (
            dataset_heading(column),
            f"a proxy data set for the paper's {STAND_INS[column.name]}: its figures are not "
            f"{STAND_INS[column.name]} figures.",
        )
        for column in table.columns
        if column.name in STAND_INS
    ]


def failed_runs(table: Table) -> list[tuple[str, str]]:
    """Each failed run and its reason."""
    return [
        (FAILED, f"{run.name}: {run.reason} (job {run.job_id})")
        for run in table.runs
        if run.status == "failed"
    ]


def line(*entries: Entry | str) -> tuple[Entry, ...]:
    """A line of a block; text alone is plain."""
    return tuple(Entry(entry) if isinstance(entry, str) else entry for entry in entries)


def plain_headings(texts: Sequence[str]) -> tuple[Heading, ...]:
    """Headings without groups."""
    return tuple(Heading(text) for text in texts)
