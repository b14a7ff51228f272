"""The lines of the page's table: one a method on a split of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.report.document.numbers import figure, fixed, published, share
from bench.report.figures.source import Source
from bench.report.model.cells import GROUPS, Cell, Column, Row
from bench.report.model.measures import Measure
from bench.report.model.published import STAND_INS

State = Literal["complete", "incomplete", "failed", "missing"]


@dataclass(frozen=True)
class Figure:
    """One measure of a line, as printed and as sorted by.

    Attributes
    ----------
    best : bool
        Whether the table has it in bold.
    """

    heading: str
    ours: str
    mean: float | None
    published: str
    difference: str
    best: bool


@dataclass(frozen=True)
class Line:
    """A line of the table; `key` names its details.

    Attributes
    ----------
    stand_in : str
        The paper's data set in whose place this one stands, or nothing.
    state : str
        Of its runs: all complete, some complete, none and one failed at least, none tried.
    share : str
        Such as ``2/3 runs``.
    """

    key: str
    split: str
    dataset: str
    stand_in: str
    heading: str
    group: str
    state: State
    share: str
    figures: tuple[Figure, ...]


def lines_of(source: Source) -> list[Line]:
    """Every planned cell of Table 2, in printing order."""
    places = [
        (split, column, row)
        for split, column in source.places()
        for row in source.rows(split, column)
    ]
    return [_line(source, f"c{number}", *place) for number, place in enumerate(places)]


def _line(source: Source, key: str, split: str, column: Column, row: Row) -> Line:
    cells = [
        source.table.cells[split, column.label, row.label, measure.name]
        for measure in source.table.shown
    ]
    status = [run.status for run in cells[0].runs]
    return Line(
        key=key,
        split=split,
        dataset=column.label,
        stand_in=STAND_INS.get(column.name, ""),
        heading=row.heading,
        group=GROUPS.get(row.group, row.group.capitalize()),
        state=_state(status),
        share=f"{status.count('complete')}/{len(status)} runs",
        figures=tuple(
            _figure(
                cell,
                row.label in source.table.best(split, column, measure, measure.decimals),
                measure,
            )
            for cell, measure in zip(cells, source.table.shown, strict=True)
        ),
    )


def _state(status: Sequence[str]) -> State:
    if all(state == "complete" for state in status):
        return "complete"
    if "complete" in status:
        return "incomplete"
    return "failed" if "failed" in status else "missing"


def _figure(cell: Cell, best: bool, measure: Measure) -> Figure:
    difference = cell.difference
    return Figure(
        heading=measure.heading,
        ours=figure(cell) + share(cell),
        mean=cell.mean,
        published=published(cell),
        # The sign says which way, so a gain has one too.
        difference="" if difference is None else f"{'+' * (difference >= 0)}{fixed(difference)}",
        best=best,
    )
