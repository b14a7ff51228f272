"""Methods, or whole results folders, against a baseline, paired by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table as Grid
from rich.text import Text

from bench.commands.archive import open_results
from bench.commands.console import console, warn
from bench.commands.report import checked_table
from bench.errors import StoreError, UnknownNameError, UsageError
from bench.files import kind_of
from bench.report.document.numbers import counted, fixed, interval, split_heading
from bench.report.model.cells import Cell, Column, Run, Table
from bench.report.model.measures import Measure, measures_named
from bench.report.model.paired_cells import gap_over_seeds, paired_runs
from bench.report.model.registered import with_registered_names
from bench.report.model.sampling_variance import WITH_COVARIANCE, covariance_from, result_of
from bench.report.writers.csv_files import csv_text
from bench.report.writers.write import write_files
from bench.spec import as_label
from bench.statistics import Difference
from bench.sweep.store import Store

_HEADINGS = (
    "dataset", "split", "method", "baseline", "mean", "baseline_mean", "difference", "low", "high",
    "seeds", "pairs", "significant",
)  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """A results folder with its last table; `name` stands before its methods if not empty."""

    name: str
    store: Store
    table: Table
    content: Mapping[str, str]

    def label(self, method: str) -> str:
        """What a method of this folder is called beside those of others."""
        return f"{self.name}/{method}" if self.name else method


@dataclass(frozen=True)
class Compared:
    """A method minus a baseline on one split of one data set; means are over the pairs."""

    dataset: str
    split: str
    method: str
    baseline: str
    mean: float
    baseline_mean: float
    gap: Difference
    seeds: int


def compare_results(
    names: Sequence[str], baseline: str | None, *, out: Path | None, metric: str, to: Path | None
) -> int:
    """Print how methods or folders compare with `baseline`, and write it to the CSV file `to`.

    Parameters
    ----------
    names : sequence of str
        Results folders, or methods of the results folder `out`, ``results`` if None.
    baseline : str or None
        A method; needed but where every method is in two folders.
    metric : str
        One whose chance is known, see :data:`WITH_COVARIANCE`.

    Raises
    ------
    UsageError
        No such method or metric, folders and methods mixed, or `out` beside folders.
    StoreError
        Data or splits differ, or nothing is in common.
    """
    if metric not in WITH_COVARIANCE:
        raise UnknownNameError(
            "measure with an interval", metric, WITH_COVARIANCE, where="--metric"
        )
    [measure] = measures_named([metric], where="--metric")
    folders, methods = _opened(names, out, measure)
    pairs = _pairs(folders, methods, baseline)
    table = _joined(folders)
    compared = list(_compared(table, folders, pairs, measure))
    if not compared and any(
        paired_runs(table, split, column, *pair)
        for split in table.splits
        for column in table.columns
        for pair in pairs
    ):
        raise StoreError(
            f"Expected a measure that the runs have, but got --metric {metric}: {measure.says}. No "
            "such class has test samples there. Name another measure."
        )
    if not compared:
        raise StoreError(
            "Expected a seed that both methods of a pair have finished on the same split, but "
            f"there is none for {'; '.join(f'{one} and {other}' for one, other in pairs)}. Run "
            "both with the same --datasets, --splits and --seeds."
        )
    for grid in _grids(compared, measure):
        console.print(grid)
    console.print(Text(_caption(folders, compared, measure), style="dim"))
    if to is not None:
        write_files(to.parent, {to.name: _csv(compared)})
        console.print(f"Written: {to}")
    return 0


def _opened(
    names: Sequence[str], out: Path | None, measure: Measure
) -> tuple[list[Folder], Sequence[str] | None]:
    """The folders to read, and the methods that were named, None where folders were."""
    given = [Path(name) for name in names]
    are_folders = [_is_results(path) for path in given]
    if not any(are_folders):
        return [_folder("", Path("results") if out is None else out, measure)], names
    if not all(are_folders):
        others = [name for name, known in zip(names, are_folders, strict=True) if not known]
        raise UsageError(
            f"Expected results folders only, or methods only, but {', '.join(others)} is no "
            "results folder (it has neither plan.json nor records.tar.xz). Name methods with the "
            "folder in --out."
        )
    if out is not None:
        raise UsageError(
            f"Expected results folders without --out, but got --out {out}: --out is the folder of "
            "methods."
        )
    if len({path.resolve() for path in given}) < len(given):
        raise UsageError(f"Expected different folders, but got {' and '.join(names)}.")
    if len(given) == 1:
        return [_folder("", given[0], measure)], None
    short = [path.name for path in given]
    called = short if len(set(short)) == len(short) and all(short) else [str(p) for p in given]
    return [_folder(name, path, measure) for name, path in zip(called, given, strict=True)], None


def _is_results(path: Path) -> bool:
    return any(kind_of(path / name) is not None for name in ("plan.json", "records.tar.xz"))


def _folder(name: str, path: Path, measure: Measure) -> Folder:
    store = open_results(path)
    plan = with_registered_names(store.read_plan())
    table, records = checked_table(store, plan, shown=(measure,))
    content = {
        record["job"]["dataset"]["label"]: record["data"]["content_sha256"] for record in records
    }
    return Folder(name, store, table, content)


def _pairs(
    folders: Sequence[Folder], methods: Sequence[str] | None, baseline: str | None
) -> list[tuple[str, str]]:
    """Who is compared with whom, by the labels of the joined table."""
    holders: dict[str, list[str]] = {}
    # Tables and pages print another name than the command line takes.
    label_of: dict[str, str] = {}
    for folder in folders:
        for row in folder.table.rows:
            holders.setdefault(row.label, []).append(folder.label(row.label))
            label_of[row.heading] = row.label
    labels = [label for own in holders.values() for label in own]
    if methods is not None:
        methods = [as_label(label_of.get(name, name), holders) for name in methods]
    if baseline is not None:
        baseline = as_label(label_of.get(baseline, baseline), (*holders, *labels))
        if baseline not in (*holders, *labels):
            raise UnknownNameError("method", baseline, {*holders, *labels}, where="--baseline")
    where = ", ".join(str(folder.store.root) for folder in folders)
    if methods is None:
        twice = [(other, own[0]) for own in holders.values() for other in own[1:]]
        alone = [own[0] for own in holders.values() if len(own) == 1]
    else:
        for name in methods:
            if name not in holders:
                raise UnknownNameError("method", name, holders, where=f"in {where}")
        twice, alone = [], [holders[name][0] for name in dict.fromkeys(methods)]
    if twice:
        methods_twice = counted(len({first for _, first in twice}), "method")
        console.print(f"{methods_twice} in several folders: the later folder minus the first.")
    if not alone:
        if baseline is not None:
            warn(f"Not used: --baseline {baseline}, as all methods are in several folders.")
        return twice
    if baseline is None:
        if twice:
            warn(f"In one folder only, and left out without --baseline: {', '.join(alone)}")
            return twice
        if methods is None or len(alone) == 1:
            raise UsageError(
                f"Expected --baseline NAME, the method that {', '.join(alone)} is compared with, "
                "but got none."
            )
        baseline = alone.pop()
    found = holders[baseline][0] if baseline in holders else baseline
    pairs = [*twice, *((label, found) for label in alone if label != found)]
    if not pairs:
        raise UsageError(f"Expected a method other than the baseline {baseline}, but got none.")
    return pairs


def _joined(folders: Sequence[Folder]) -> Table:
    """One table of all folders, in which each run is known by the folder it comes from.

    Raises
    ------
    StoreError
        A data set of one name holds other samples in another folder.
    """
    first: dict[str, Folder] = {}
    cells: dict[tuple[str, str, str, str], Cell] = {}
    columns: dict[str, Column] = {}
    splits: dict[str, None] = {}
    for folder in folders:
        for dataset, content in folder.content.items():
            other = first.setdefault(dataset, folder)
            if other.content[dataset] != content:
                raise StoreError(
                    f"Expected the same samples of {dataset} in all folders, but those of "
                    f"{other.store.root} and {folder.store.root} differ. Results on different data "
                    "cannot be compared."
                )
        columns |= {column.label: column for column in folder.table.columns}
        splits |= dict.fromkeys(folder.table.splits)
        for (split, dataset, method, name), cell in folder.table.cells.items():
            label = folder.label(method)
            runs = tuple(
                replace(run, job_id=folder.label(run.job_id), method=label) for run in cell.runs
            )
            cells[split, dataset, label, name] = replace(cell, runs=runs)
    base = folders[0].table
    return replace(
        base, splits=tuple(splits), columns=tuple(columns.values()), cells=cells, leaders=None
    )


def _compared(
    table: Table, folders: Sequence[Folder], pairs: Sequence[tuple[str, str]], measure: Measure
) -> Iterator[Compared]:
    stores = {folder.label(""): folder.store for folder in folders}

    def predictions(job_id: str) -> dict[str, np.ndarray]:
        name, slash, own = job_id.rpartition("/")
        return stores[name + slash].decisions(own)

    for column in table.columns:
        for split in table.splits:
            covariance = covariance_from(predictions)
            for method, baseline in pairs:
                planned = [
                    (split, column.label, name, measure.name) in table.cells
                    for name in (method, baseline)
                ]
                if not all(planned):
                    continue
                runs = paired_runs(table, split, column, method, baseline, measure)
                where = f"{column.label}, {split_heading(split).lower()}"
                if not runs:
                    no_class = bool(paired_runs(table, split, column, method, baseline))
                    why = (
                        f"{measure.heading} is undefined, as no such class has test samples"
                        if no_class
                        else "no finished seed in common"
                    )
                    warn(f"{where}, {method} and {baseline}: {why}.")
                    continue
                _refuse_other_splits(runs, where)
                gap = gap_over_seeds(table, split, column, method, baseline, covariance, measure)
                assert gap is not None  # of one pair at least
                yield Compared(
                    column.label,
                    split,
                    method,
                    baseline,
                    _mean([run for run, _ in runs], measure),
                    _mean([run for _, run in runs], measure),
                    gap,
                    len({run.seed for run, _ in runs}),
                )


def _refuse_other_splits(runs: Sequence[tuple[Run, Run]], where: str) -> None:
    for one, other in runs:
        if result_of(one).split_hash != result_of(other).split_hash:
            raise StoreError(
                f"Expected the same split of {where}, seed {one.seed}, but {one.method} and "
                f"{other.method} were tested on different samples (split hashes "
                f"{result_of(one).split_hash[:12]} and {result_of(other).split_hash[:12]}). They "
                "cannot be paired: run one of them again with the options of the other."
            )


def _mean(runs: Sequence[Run], measure: Measure) -> float:
    values = [result_of(run).metrics[measure.name] for run in runs]
    return float(np.mean([measure.printed(value) for value in values if value is not None]))


def _grids(compared: Sequence[Compared], measure: Measure) -> Iterator[Grid]:
    """One a data set and split."""
    several = len({one.baseline for one in compared}) > 1
    for (dataset, split), own in groupby(compared, lambda one: (one.dataset, one.split)):
        listed = list(own)
        title = f"{dataset}, {split_heading(split).lower()}"
        grid = Grid(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
        grid.add_column("Method" + " minus baseline" * several, overflow="fold", min_width=12)
        for heading in (measure.heading, "difference", "seeds", "significant"):
            grid.add_column(Text(heading), justify="right", no_wrap=True)
        for one in listed:
            bounds = interval((one.gap.low, one.gap.high), measure.decimals)
            grid.add_row(
                Text(f"{one.method} minus {one.baseline}" if several else one.method),
                fixed(one.mean, measure.decimals),
                f"{one.gap.mean:+.{measure.decimals}f} ({bounds})",
                str(one.seeds) + (f", {one.gap.pairs} runs" if one.gap.pairs != one.seeds else ""),
                {True: "yes", False: "no", None: "no spread"}[one.gap.significant]
                + " (these two models)" * (one.gap.pairs == 1),
            )
        yield grid


def _caption(folders: Sequence[Folder], compared: Sequence[Compared], measure: Measure) -> str:
    baselines = list(dict.fromkeys(one.baseline for one in compared))
    subtracted = baselines[0] if len(baselines) == 1 else "baseline"
    text = (
        f"{measure.heading}: {measure.says}, in percent, over the seeds that both have finished. "
        f"Difference: method minus {subtracted}, in points, with its 95 % interval. Significant: "
        "the interval leaves out 0. Each interval is of its pair alone: of many pairs, some leave "
        "out 0 by chance."
    )
    if any(one.gap.pairs == 1 for one in compared):
        text += " With one seed it holds for these two trained models only."
    epochs = {
        folder.name: sorted({r.result.epochs for r in folder.table.runs if r.result is not None})
        for folder in folders
    }
    if len({tuple(own) for own in epochs.values()}) > 1:
        listed = "; ".join(f"{name} {', '.join(map(str, own))}" for name, own in epochs.items())
        text += f" Epochs differ: {listed}."
    return text


def _csv(compared: Sequence[Compared]) -> str:
    said = {True: "yes", False: "no", None: ""}
    lines = []
    for one in compared:
        figures = (one.mean, one.baseline_mean, one.gap.mean, one.gap.low, one.gap.high)
        lines.append(
            [
                one.dataset, one.split, one.method, one.baseline,
                *(fixed(figure, 4) for figure in figures),
                str(one.seeds), str(one.gap.pairs), said[one.gap.significant],
            ]
        )  # fmt: skip
    return csv_text(_HEADINGS, lines)
