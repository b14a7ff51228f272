"""The lines of the page's tables: one a method on a split of a data set, the highest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.report.document.numbers import figure, fixed, published, share
from bench.report.figures.source import Source
from bench.report.html.differences import Gaps, baseline_of, gap, gaps_between
from bench.report.model.cells import Cell, Column, Row
from bench.report.model.costs import mean_seconds, seconds_with_required
from bench.report.model.frequency import FrequencyGroup, group_recall, groups_of
from bench.report.model.lead import Lead, lead_of
from bench.report.model.measures import GROUP_RECALL, MAIN, Measure
from bench.report.model.published import STAND_INS
from bench.report.model.sampling_variance import Predictions
from bench.statistics import Difference
from bench.statistics.paired import Sign

State = Literal["complete", "incomplete", "failed", "missing"]

_BA = MAIN[0]
_MARKS: dict[Sign, str] = {"above": "▲", "alike": "≈", "below": "▼"}
# What the paper compares is original here; the other groups are called by their names.
_CATEGORIES = {"paper": "original"}
HEADINGS = {
    "balanced_accuracy": "Balanced accuracy",
    "balanced_f1": "Balanced F1",
    **dict(zip((one.name for one in GROUP_RECALL), ("frequent", "medium", "rare"), strict=True)),
}


@dataclass(frozen=True)
class Figure:
    """One measure of a line, as printed and as sorted by.

    Attributes
    ----------
    best : bool
        Whether the table has it in bold.
    """

    measure: Measure
    heading: str
    ours: str
    mean: float | None
    published: str
    difference: str
    best: bool


@dataclass(frozen=True)
class Recall:
    """Mean recall of a frequency group of classes in percent; None where none was tested."""

    name: str
    value: float | None


@dataclass(frozen=True)
class Line:
    """A line of the table; `key` names its details.

    Attributes
    ----------
    number : int
        Place of the method in the whole table.
    cell : Cell
        Its balanced accuracy.
    stand_in : str
        The paper's data set for which this one is a proxy, or nothing.
    category : str
        Original, control, peer or extension, as the registry has it.
    state : str
        Of its runs: all complete, some complete, none and one failed at least, none tried.
    share : str
        Such as ``2/3 runs``.
    figures : tuple of Figure
        Balanced accuracy, then what else the table shows.
    recalls : tuple of Recall
        As many as the place has frequency groups.
    seconds : float or None
        Mean over runs, with the runs that they depend on.
    elsewhere : bool
        Whether these were measured on another machine.
    gap : Difference or None
        To the baseline.
    """

    key: str
    split: str
    column: Column
    row: Row
    number: int
    cell: Cell
    stand_in: str
    heading: str
    category: str
    state: State
    share: str
    figures: tuple[Figure, ...]
    recalls: tuple[Recall, ...]
    seconds: float | None
    elsewhere: bool
    gap: Difference | None

    @property
    def dataset(self) -> str:
        """Label of the data set."""
        return self.column.label

    def compared(self, baseline: Row) -> str:
        """The difference to the baseline in words."""
        return "baseline" if self.row == baseline else gap_in_words(self.gap)


@dataclass(frozen=True)
class Place:
    """A split of a data set with its lines, the highest first.

    Attributes
    ----------
    baseline : Row or None
        What the others are compared with; None where nothing can be.
    gaps : mapping
        By places in `rows`, which are in the order of the whole table.
    lead : Lead or None
        The best of those that are compared; None without a finished run.
    """

    key: str
    split: str
    column: Column
    rows: tuple[Row, ...]
    groups: tuple[FrequencyGroup, ...]
    lines: tuple[Line, ...]
    baseline: Row | None
    gaps: Gaps
    lead: Lead | None

    @property
    def best(self) -> Line | None:
        """The line of the best."""
        label = None if self.lead is None else self.lead.label
        return next((line for line in self.lines if line.row.label == label), None)

    @property
    def bold(self) -> bool:
        """Whether a balanced accuracy is bold."""
        return any(line.figures[0].best for line in self.lines)

    @property
    def with_paper(self) -> tuple[str, ...]:
        """Measures of which the paper printed a figure here."""
        return tuple(
            dict.fromkeys(
                one.measure.name for line in self.lines for one in line.figures if one.published
            )
        )


def places_of(source: Source, predictions: Predictions | None = None) -> list[Place]:
    """Every split of every data set, in printing order.

    Parameters
    ----------
    predictions : callable, optional
        Job id to what the run predicted. Without it methods are not compared with a baseline.
    """
    costs = seconds_with_required(source.table)
    places: list[Place] = []
    keys = 0
    for split, column in source.places():
        rows = source.rows(split, column)
        gaps = (
            {}
            if predictions is None
            else gaps_between(source.table, split, column, rows, predictions)
        )
        baseline = baseline_of(rows) if gaps else None
        groups = groups_of(
            [
                run.result
                for run in source.table.runs
                if (run.split, run.dataset) == (split, column.label) and run.result is not None
            ]
        )
        lines = [
            _line(source, f"c{keys + place}", split, column, row, costs, groups, gap_)
            for place, row in enumerate(rows)
            for gap_ in [None if baseline is None else gap(gaps, place, rows.index(baseline))]
        ]
        keys += len(rows)
        lines.sort(key=lambda line: (line.cell.mean is None, -(line.cell.mean or 0.0)))
        places.append(
            Place(
                f"p{len(places)}",
                split,
                column,
                rows,
                tuple(groups),
                tuple(lines),
                baseline,
                gaps,
                lead_of(source.table, split, column),
            )
        )
    return places


def _line(
    source: Source,
    key: str,
    split: str,
    column: Column,
    row: Row,
    costs: dict[str, float],
    groups: Sequence[FrequencyGroup],
    gap_: Difference | None,
) -> Line:
    cell = source.table.cells[split, column.label, row.label, _BA.name]
    status = [run.status for run in cell.runs]
    seconds, elsewhere = mean_seconds(source.table, cell.runs, costs)
    return Line(
        key=key,
        split=split,
        column=column,
        row=row,
        number=source.table.rows.index(row),
        cell=cell,
        stand_in=STAND_INS.get(column.name, ""),
        heading=row.heading,
        category=_CATEGORIES.get(row.group, row.group),
        state=_state(status),
        share=f"{status.count('complete')}/{len(status)} runs",
        figures=tuple(
            _figure(source, split, column, row, measure)
            for measure in dict.fromkeys((_BA, *source.table.shown))
        ),
        recalls=tuple(Recall(group.name, group_recall(cell, group)) for group in groups),
        seconds=seconds,
        elsewhere=elsewhere,
        gap=gap_,
    )


def _state(status: Sequence[str]) -> State:
    if all(state == "complete" for state in status):
        return "complete"
    if "complete" in status:
        return "incomplete"
    return "failed" if "failed" in status else "missing"


def _figure(source: Source, split: str, column: Column, row: Row, measure: Measure) -> Figure:
    cell = source.table.cells[split, column.label, row.label, measure.name]
    difference = cell.difference
    return Figure(
        measure=measure,
        heading=HEADINGS.get(measure.name, measure.heading),
        ours=figure(cell) + share(cell),
        mean=cell.mean,
        published=published(cell),
        # The sign says which way, so a gain has one too.
        difference="" if difference is None else signed(difference),
        best=row.label in source.table.best(split, column, measure),
    )


def signed(value: float, decimals: int = 2) -> str:
    """Rounded and with a sign, as of a difference.

    Examples
    --------
    >>> signed(1.0), signed(-0.001)
    ('+1.00', '+0.00')
    """
    text = fixed(value, decimals)
    return text if text.startswith("-") else f"+{text}"


def gap_in_words(gap_: Difference | None) -> str:
    """The difference with its interval, and a mark that says whether it is significant.

    The script of the page does the same for the baseline that is chosen there.

    Examples
    --------
    >>> gap_in_words(Difference(1.25, 0.004, 2.5, pairs=3))
    '+1.25 [+0.00, +2.50] ▲'
    """
    if gap_ is None:
        return "–"
    text = f"{signed(gap_.mean)} [{signed(gap_.low)}, {signed(gap_.high)}]"
    if gap_.pairs == 1:
        return f"{text} one seed"
    if gap_.significant is None:
        return f"{signed(gap_.mean)} no spread"
    return f"{text} {_MARKS[gap_.sign]}"
