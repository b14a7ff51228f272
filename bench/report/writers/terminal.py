"""Table 2 for the end of a run in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

from bench.report.document.caption import mixed_code, mixed_machines, rare_classes
from bench.report.document.numbers import (
    FAILED,
    HOLE,
    counted,
    figure,
    published,
    share,
    split_heading,
)
from bench.report.document.report import dataset_heading, stand_ins
from bench.report.model.cells import Column, Table
from bench.report.model.measures import Measure, unit
from bench.report.tables.mean_ranks import task_ranks

# Measurements never exceed the console; wider than any table, this asks for the natural width.
_UNBOUNDED = 100_000
# Of what follows from a table, the data sets, and of each the sentences that have room; table2.md
# has all.
_DATASETS_JUDGED = 6
_SENTENCES = {"Use": 4, "Avoid": 2, "Trust": 4}
# Before a figure that is bold, where nothing can be.
_PLAIN_BOLD = "*"


def render_terminal(table: Table) -> RenderableType:
    """The figures of `table` that are shown, for a rich console.

    The data sets of a split stand side by side where the console is wide enough, else below
    each other, and many figures of one likewise.
    """
    return _Report(table)


class _Report:
    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        mark = "" if console.is_terminal else _PLAIN_BOLD
        for split in self._table.splits:
            columns = self._table.columns_of(split)
            together = _grid(self._table, split, columns, self._table.shown, mark)
            unbounded = options.update(max_width=_UNBOUNDED)

            def fits(grid: Grid, unbounded: ConsoleOptions = unbounded) -> bool:
                width = Measurement.get(console, unbounded, grid).maximum
                return width <= options.max_width

            if fits(together):
                yield together
            else:
                yield Group(
                    *(
                        g
                        for column in columns
                        for g in _fitting(self._table, split, column, fits, mark)
                    )
                )
        yield from _task_ranks(self._table)
        yield from _verdicts(self._table)
        yield Text(
            "Mean ± sample standard deviation over seeds. " + _bold(self._table, mark), style="dim"
        )
        yield from (Text(f"{name}: {text}", style="dim") for name, text in stand_ins(self._table))
        yield from (
            Text(f"{name}: {text}", style="yellow")
            for name, text in (*mixed_machines(self._table), *mixed_code(self._table))
        )
        yield from (Text(f"{name}: {text}") for name, text in rare_classes(self._table))
        yield from _holes(self._table)


def _verdicts(table: Table) -> Iterator[RenderableType]:
    for verdict in table.verdicts[:_DATASETS_JUDGED]:
        if not verdict.parts:
            continue
        grid = Grid.grid(padding=(0, 1))
        grid.add_column(style="bold")
        grid.add_column(overflow="fold")
        for heading, advice in verdict.parts:
            for place, one in enumerate(advice[: _SENTENCES[heading]]):
                grid.add_row(heading * (place == 0), Text(one.text))
        yield Text(verdict.label, style="bold")
        yield grid
        yield Text("")
    shown = table.verdicts[:_DATASETS_JUDGED]
    longer = any(len(own) > _SENTENCES[kind] for one in shown for kind, own in one.parts)
    if longer or len(shown) < len(table.verdicts):
        yield Text("By balanced accuracy; more of this in table2.md.", style="dim")


def _task_ranks(table: Table) -> Iterator[RenderableType]:
    for found in task_ranks(table):
        title = f"{found.title} (1 is the best)"
        grid = Grid(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
        grid.add_column("Method", overflow="fold", min_width=12)
        for measure in table.shown:
            grid.add_column(measure.heading, justify="right", no_wrap=True)
        for row, ranks in found.lines:
            grid.add_row(Text(row.heading), *ranks)
        yield grid


def _bold(table: Table, mark: str) -> str:
    bold = mark or "Bold"
    if table.leaders is None:
        return (
            f"{bold}: best mean among methods with all their runs. It says nothing of significance."
        )
    if not table.leaders:
        return "Nothing is bold: differences can be tested from two seeds and two methods on."
    return (
        f"{bold}: not significantly different from the best mean of its column; table2.md names "
        "the test."
    )


def _fitting(
    table: Table, split: str, column: Column, fits: Callable[[Grid], bool], mark: str
) -> Iterator[Grid]:
    """One data set, its figures below each other where they are too wide together, two at least."""
    rest = table.shown
    while rest:
        sizes = range(len(rest), 1, -1)
        grids = ((size, _grid(table, split, (column,), rest[:size], mark)) for size in sizes)
        size = next((size for size, grid in grids if fits(grid)), min(2, len(rest)))
        yield _grid(table, split, (column,), rest[:size], mark)
        rest = rest[size:]


def _grid(
    table: Table, split: str, columns: Sequence[Column], chosen: Sequence[Measure], mark: str
) -> Grid:
    names = ", ".join(map(dataset_heading, columns))
    grid = Grid(
        title=Text(f"{split_heading(split)}: {names} ({unit(chosen)})"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
    )
    # Figures are never cut; names fold, but not to nothing.
    grid.add_column("Method", overflow="fold", min_width=12)
    shown = []
    for column in columns:
        prefix = "" if len(columns) == 1 else f"{dataset_heading(column)} "
        for measure in chosen:
            best = table.best(split, column, measure)
            with_paper = table.has_published(split, column, measure)
            grid.add_column(Text(prefix + measure.heading), justify="right", no_wrap=True)
            if with_paper:
                grid.add_column("paper", justify="right", no_wrap=True, style="dim")
            shown.append((column, measure, best, with_paper))
    group = None
    for row in table.rows_of(split, columns):
        if group not in (None, row.group):
            grid.add_section()
        group = row.group
        line = [Text(row.heading)]
        for column, measure, best, with_paper in shown:
            cell = table.cell(split, column, row, measure)
            line.append(
                Text(HOLE)
                if cell is None
                else Text.assemble(
                    (mark + figure(cell), "bold") if row.label in best else figure(cell),
                    share(cell) + FAILED * cell.failed,
                )
            )
            if with_paper:
                line.append(Text("" if cell is None else published(cell)))
        grid.add_row(*line)
    return grid


def _holes(table: Table) -> Iterator[Text]:
    """What is not in the means, one line a run that failed."""
    for run in table.runs:
        if run.status == "failed":
            yield Text.assemble((f"{FAILED} failed ", "red"), f"{run.name}: {run.reason}")
    missing = sum(run.status == "missing" for run in table.runs)
    if missing:
        yield Text(f"Missing: {counted(missing, 'planned run')}.", style="yellow")
