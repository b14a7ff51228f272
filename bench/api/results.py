"""What came of a benchmark, as frames, figures and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.commands.report import checked_table
from bench.errors import ArgumentError, nearest
from bench.metrics.evaluation import classes_of_record
from bench.plain_text import visible
from bench.report.document.numbers import counted, figure, fixed, share
from bench.report.figures.source import Source, source_of_table
from bench.report.model import measures
from bench.report.model.cells import Column, Row, Run, Verdict
from bench.report.model.lead import lead_of
from bench.report.model.measures import unit
from bench.report.model.paired_cells import gap_over_seeds, paired_runs
from bench.report.model.sampling_variance import covariance_from
from bench.report.tables.mean_ranks import task_ranks
from bench.spec import as_label
from bench.statistics import Difference
from bench.sweep.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from bench.inference.model import TrainedModel

_BA = measures.MAIN[0]
_SUMMARISED = (*measures.MAIN, measures.GROUP_RECALL[-1])  # where nothing else is asked for
_OF_CLASSES = (
    "support", "train_count", "recall", "recall_low", "recall_high", "precision", "f1", "auroc",
)  # fmt: skip
_COUNTS = frozenset({"support", "train_count"})


@dataclass(frozen=True)
class Best:
    """The method with the highest mean, and what may be said of its lead.

    Attributes
    ----------
    method, title : str
    mean : float
        Balanced accuracy in percent, over the runs of the comparison.
    significant : bool or None
        Whether it is significantly better than all others that are compared; None where nothing can
        be tested.
    confidence_set : tuple of str
        Methods that are not significantly different from it, itself among them, best first
        (family-wise alpha 0.05); empty where nothing can be tested.
    seeds : int
        Seeds of the comparison.
    among : str
        Of which methods it is the best, where that is not all: `` of the methods compared on 3
        shared seeds``.
    higher : tuple of str
        Methods that have a higher mean and are not compared, as runs of them are missing.
    """

    method: str
    title: str
    mean: float
    significant: bool | None
    confidence_set: tuple[str, ...]
    seeds: int
    among: str = ""
    higher: tuple[str, ...] = ()

    def __str__(self) -> str:
        highest = f"{self.method} has the highest balanced accuracy{self.among}"
        text = f"{highest}, {fixed(self.mean)} %"
        if self.significant is None:
            return (
                f"{text}. Whether it is better than the others cannot be tested: that takes two "
                "seeds and two methods that have all their runs."
            )
        seeds = counted(self.seeds, "seed")
        said = f", significantly above all other methods{' compared' * bool(self.among)} ({seeds})."
        if not self.significant:
            others = [label for label in self.confidence_set if label != self.method]
            said = f". Not significantly different from it: {', '.join(others)} ({seeds})."
        if self.higher:
            said += f" Higher, but not compared, as runs are missing: {', '.join(self.higher)}."
        return text + said


@dataclass(frozen=True)
class Interval:
    """Balanced accuracy of one method minus that of another, in percentage points.

    Attributes
    ----------
    first, second : str
        The methods.
    mean, low, high : float or None
        Mean difference with its 95 % interval; None without a seed that both have finished.
    seeds : int
        Seeds that both have finished.
    pairs : int or None
        Pairs of runs on one seed, and on one fold if there are any; None: as many as seeds. With
        one pair the interval holds for these two trained models only.
    """

    first: str
    second: str
    mean: float | None
    low: float | None
    high: float | None
    seeds: int
    pairs: int | None = None

    @property
    def significant(self) -> bool | None:
        """Whether the interval excludes 0; None where nothing can be said.

        The interval is that of one comparison: of many pairs, some exclude 0 by chance.
        """
        if self.mean is None or self.low is None or self.high is None:
            return None
        return Difference(self.mean, self.low, self.high, self.seeds).significant

    def __str__(self) -> str:
        pair = f"{self.first} minus {self.second}"
        if self.mean is None or self.low is None or self.high is None:
            return f"{pair}: nothing can be said, as no seed is finished for both."
        pairs = self.seeds if self.pairs is None else self.pairs
        runs = "" if pairs == self.seeds else f", {counted(pairs, 'pair')} of runs"
        text = (
            f"{pair}: {self.mean:+.2f} points, 95 % interval {self.low:+.2f} to {self.high:+.2f} "
            f"({counted(self.seeds, 'seed')}{runs})"
        )
        if self.significant is None:
            return f"{text}: nothing can be said, as the differences have no spread."
        said = "significant" if self.significant else "not significant"
        only = "; it holds for these two trained models only" if pairs == 1 else ""
        return f"{text}: {said}{only}."


class Verdicts(tuple[Verdict, ...]):
    """A verdict a data set, which shows itself as text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return visible("\n\n".join(map(str, self)))

    __str__ = __repr__


class Results:
    """What came of a benchmark; made by :func:`bench.compare` and :func:`bench.load_results`.

    Shares are in percent, as in all tables. In a notebook it shows itself as a table.

    Attributes
    ----------
    folder : Path
        The results folder. ``python run_bench.py report --out FOLDER`` reads it, too.
    source : bench.report.figures.Source
        What the writers of :mod:`bench.report` take.
    """

    def __init__(self, store: Store, source: Source) -> None:
        self.folder = store.root
        self.source = source
        self._store = store

    @property
    def methods(self) -> list[str]:
        """Labels of the methods, in the order of tables."""
        return [row.label for row in self.source.table.rows]

    @property
    def verdict(self) -> Verdicts:
        """What to use, what to avoid, and how far to trust that, on each data set.

        Printed, it is text; each of its items is one data set's, with ``use``, ``avoid`` and
        ``trust``: sentences (``text``) and the methods that they are about (``methods``). All of it
        is by balanced accuracy.
        """
        return Verdicts(self.source.table.verdicts)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Mean and sample standard deviation over seeds, the best method of each data set first.

        Returns
        -------
        DataFrame
            ``dataset``, ``split``, ``method``, ``title``; ``backbone``, the encoder of molecules,
            empty for a method without a network; ``balanced_accuracy``, ``balanced_f1`` and
            ``recall_tail`` (mean recall of the rare classes) in percent, or balanced accuracy and
            the ``metrics`` that were asked for, in the units of all tables, each with ``_std``
            and the runs in its mean, ``_n``; ``n``, those of balanced accuracy, of ``planned``;
            ``failed``; and ``best``: whether balanced
            accuracy is not significantly different from the highest of the data set and split
            (family-wise alpha 0.05), None where nothing can be tested.
        """
        import pandas as pd

        rows = [
            values
            for split, column in self.source.places()
            for values in sorted(
                (self._summary(split, column, row) for row in self.source.rows(split, column)),
                key=lambda values: (
                    values["balanced_accuracy"] is None,
                    -(values["balanced_accuracy"] or 0.0),
                ),
            )
        ]
        frame = pd.DataFrame(rows)
        figures = [name for m in self._summarised for name in (m.name, f"{m.name}_std")]
        frame[figures] = frame[figures].astype(float)
        frame["best"] = frame["best"].astype(object)  # of True, False and None
        return frame

    @cached_property
    def mean_ranks(self) -> pd.DataFrame:
        """Mean rank of each method over the tasks of one file, as the written table has it.

        Tasks of one file share molecules, so that there is no test of ranks.

        Returns
        -------
        DataFrame
            ``file``, ``method``, ``title``; the mean rank by each measure that the table shows, 1
            for the best, NaN for a method with a missing run; and ``tasks``, how many are
            ranked. Without several tasks and methods it has no rows.
        """
        import pandas as pd

        table = self.source.table
        names = [measure.name for measure in table.shown]
        return pd.DataFrame(
            [
                (of.file, row.label, row.heading, *ranks, of.tasks)
                for of in task_ranks(table)
                for row, ranks in of.ranks
            ],
            columns=["file", "method", "title", *names, "tasks"],
        ).astype(dict.fromkeys(names, float))

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Every planned run.

        Returns
        -------
        DataFrame
            ``dataset``, ``split``, ``method``, ``backbone``, ``seed``; ``status`` (complete, failed
            or missing) and ``reason``; the figures of the test set, shares in percent, those beyond
            the usual ones where a run has them;
            ``selected_epoch``, ``valid_balanced_accuracy``, ``seconds``, ``parameters``,
            ``job_id``.
        """
        import pandas as pd

        table = self.source.table
        figures = tuple(dict.fromkeys((*table.recorded, *table.shown)))
        return pd.DataFrame([_run(run, self._encoders, figures) for run in table.runs])

    @cached_property
    def per_class(self) -> pd.DataFrame:
        """Every class of every complete run.

        Returns
        -------
        DataFrame
            ``dataset``, ``split``, ``method``, ``backbone``, ``seed``, ``class``; ``support`` (test
            samples) and ``train_count``; ``recall`` with Wilson's 95 % interval ``recall_low`` and
            ``recall_high``, ``precision``, ``f1`` and ``auroc`` in percent, NaN where undefined.
        """
        import pandas as pd

        frames = [
            pd.DataFrame(_classes(run, self.source.records[run.job_id], self._encoders))
            for run in self.source.table.runs
            if run.result is not None
        ]
        columns = ["dataset", "split", "method", "backbone", "seed", "class", *_OF_CLASSES]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    @property
    def _summarised(self) -> tuple[measures.Measure, ...]:
        """What :attr:`table` holds; by balanced accuracy it is sorted."""
        shown = self.source.table.shown
        return _SUMMARISED if shown == measures.MAIN else tuple(dict.fromkeys((_BA, *shown)))

    @property
    def _encoders(self) -> dict[str, str]:
        """Label of each method to that of its encoder of molecules."""
        return {row.label: row.encoder for row in self.source.table.rows}

    @property
    def failed(self) -> pd.DataFrame:
        """The rows of :attr:`runs` that failed, with their ``reason``."""
        return self.runs[self.runs["status"] == "failed"].reset_index(drop=True)

    def best(self, dataset: str | None = None, split: str | None = None) -> Best:
        """The method with the highest mean balanced accuracy, and whether its lead is significant.

        Parameters
        ----------
        dataset, split : str, optional
            Needed only where there are several.

        Raises
        ------
        bench.errors.ArgumentError
            No such data set or split, several of them and none named, or no finished run.
        """
        split, column = self._place(dataset, split)
        lead = lead_of(self.source.table, split, column)
        if lead is None:
            raise ArgumentError(
                f"Expected finished runs on {column.label}, {split} split, but got none."
            )
        titles = {row.label: row.heading for row in self.source.table.rows}
        members = (
            ()
            if lead.best_set is None
            else tuple(label for label in lead.best_set.ranked if label in lead.best_set.members)
        )
        return Best(
            lead.label,
            titles[lead.label],
            lead.mean,
            None if lead.best_set is None else len(members) == 1,
            members,
            len({run.seed for run in lead.runs}),
            lead.among,
            lead.higher,
        )

    def interval(
        self, a: str, b: str, dataset: str | None = None, split: str | None = None
    ) -> Interval:
        """Balanced accuracy of method `a` minus that of `b`, paired by seed, with 95 % interval.

        Parameters
        ----------
        a, b : str
            Methods of :attr:`methods`.
        dataset, split : str, optional
            Needed only where there are several.

        Raises
        ------
        bench.errors.ArgumentError
            No such method, data set or split, or several of them and none named.
        """
        split, column = self._place(dataset, split)
        a, b = self._method(a), self._method(b)
        gap = gap_over_seeds(
            self.source.table, split, column, a, b, covariance_from(self._store.decisions)
        )
        if gap is None:
            return Interval(a, b, None, None, None, 0)
        runs = paired_runs(self.source.table, split, column, a, b)
        seeds = len({run.seed for run, _ in runs})
        return Interval(a, b, gap.mean, gap.low, gap.high, seeds, gap.pairs)

    def plot(
        self,
        dataset: str | None = None,
        split: str | None = None,
        measure: str = "balanced_accuracy",
    ) -> Figure:
        """Mean and 95 % interval of each method, the best on top; blue is not worse than the best.

        Parameters
        ----------
        dataset, split : str, optional
            A panel each when not given.
        measure : str
            ``"balanced_accuracy"``, ``"balanced_f1"``, or another one that :attr:`table` has.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; ``.savefig("chart.png")`` writes it.

        Raises
        ------
        bench.errors.ArgumentError
            No such data set, split or measure.
        """
        from bench.report.figures.intervals import interval_figure
        from bench.report.figures.style import style

        known = {one.name: one for one in (*measures.MAIN, *self._summarised)}
        self._require("measure", measure, list(known))
        places = self._places(dataset, split)
        with style():
            figure = interval_figure(self.source, places, known[measure])
            # Drawn once under its style, which is not that of whoever shows it.
            figure.canvas.draw()
        return figure

    def to_html(self, path: str | PathLike[str]) -> Path:
        """Write the page of all results, which needs no network, and return its path.

        Raises
        ------
        bench.errors.StoreError
            The place cannot be written.
        """
        from bench.report.html import write_page

        written = Path(path)
        write_page(written, self.source, self._store.decisions, folder=self.folder)
        return written

    def model(
        self,
        method: str,
        *,
        seed: int | None = None,
        dataset: str | None = None,
        split: str | None = None,
        data_dir: str | PathLike[str] | None = None,
    ) -> TrainedModel:
        """The model that a run kept, ready to predict.

        It was trained on the training set of its split, not on all data. A model for use is that
        of :class:`bench.LongTailClassifier` or of the command ``fit``.

        Parameters
        ----------
        method : str
            One of :attr:`methods`.
        seed : int, optional
            The first one with a complete run when None.
        dataset, split : str, optional
            Needed only where there are several.
        data_dir : str or path, optional
            Folder with data files, looked in first where the model needs the training data.

        Raises
        ------
        bench.errors.ArgumentError
            No complete run fits.
        bench.errors.ModelError
            The run kept no model.
        """
        from bench.inference.model import load_model

        split, column = self._place(dataset, split)
        method = self._method(method)
        runs: dict[int, Run] = {}
        for run in self.source.table.runs:
            where = (run.dataset, run.split, run.method)
            if where == (column.label, split, method) and run.result is not None:
                runs.setdefault(run.seed, run)
        if not runs or (seed is not None and seed not in runs):
            asked = "" if seed is None else f" with seed {seed}"
            raise ArgumentError(
                f"Expected a complete run of {method}{asked} on {column.label}, {split} split, but "
                f"there are those of the seeds {sorted(runs) or 'none'}."
            )
        run = runs[min(runs) if seed is None else seed]
        return load_model(
            self.folder / "runs" / run.job_id,
            data_dir=None if data_dir is None else Path(data_dir),
        )

    def __repr__(self) -> str:
        table = self.source.table
        complete = sum(run.status == "complete" for run in table.runs)
        return (
            f"Results({str(self.folder)!r}: {counted(len(table.rows), 'method')}, "
            f"{counted(len(table.columns), 'data set')}, {complete} of "
            f"{counted(len(table.runs), 'run')})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the table, and a sentence for each data set and split."""
        table = self.table
        shown = table[
            ["dataset", "split", "method", *(m.name for m in self._summarised), "n"]
        ].copy()
        for measure in self._summarised:
            cells = [
                self.source.table.cells[split, dataset, method, measure.name]
                for split, dataset, method in zip(
                    table["split"], table["dataset"], table["method"], strict=True
                )
            ]
            shown[measure.name] = [figure(cell) + share(cell) for cell in cells]
        shown["n"] = [
            str(n) if n == planned else f"{n} of {planned}"
            for n, planned in zip(table["n"], table["planned"], strict=True)
        ]
        shown["method"] = [escape(label) for label in shown["method"]]
        for column in ("method", "balanced_accuracy"):
            shown[column] = [
                f"<b>{text}</b>" if best is True else text
                for text, best in zip(shown[column], table["best"], strict=True)
            ]
        for column in ("dataset", "split"):
            shown[column] = [escape(text) for text in shown[column]]
        shown = shown.rename(columns=lambda name: name.replace("_", " "))
        sentences = "".join(
            f"<p>{escape(column.label)}, {escape(split)} split: {escape(said)}</p>"
            for split, column in self.source.places()
            if (said := self._said(split, column))
        )
        units = unit(self._summarised)
        html: str = shown.to_html(index=False, escape=False, border=0)
        return (
            f"{html}<p>{units[0].upper()}{units[1:]}, mean ± standard deviation over n seeds. "
            "Bold: not significantly different from the best (family-wise alpha 0.05)."
            f"</p>{sentences}"
        )

    def _said(self, split: str, column: Column) -> str:
        try:
            return str(self.best(column.label, split))
        except ArgumentError:
            return "no finished run."

    def _summary(self, split: str, column: Column, row: Row) -> dict[str, Any]:
        table = self.source.table
        values: dict[str, Any] = {
            "dataset": column.label, "split": split, "method": row.label, "title": row.heading,
            "backbone": row.encoder,
        }  # fmt: skip
        for measure in self._summarised:
            cell = table.cell(split, column, row, measure)
            assert cell is not None  # rows of a place are planned there
            values[measure.name] = cell.mean
            values[f"{measure.name}_std"], values[f"{measure.name}_n"] = cell.std, cell.n
        cell = table.cells[split, column.label, row.label, _BA.name]
        leaders = table.best_set(split, column, _BA)
        tested = leaders is not None and row.label in leaders.methods
        return {
            **values,
            "n": cell.n,
            "planned": cell.expected,
            "failed": sum(run.status == "failed" for run in cell.runs),
            "best": row.label in leaders.members if leaders is not None and tested else None,
        }

    def _places(self, dataset: str | None, split: str | None) -> list[tuple[str, Column]]:
        places = self.source.places()
        if dataset is not None:
            self._require("data set", dataset, [column.label for _, column in places])
        if split is not None:
            self._require("split", split, [name for name, _ in places])
        return [
            (name, column)
            for name, column in places
            if dataset in (None, column.label) and split in (None, name)
        ]

    def _place(self, dataset: str | None, split: str | None) -> tuple[str, Column]:
        places = self._places(dataset, split)
        if len(places) != 1:
            there = "; ".join(
                f"dataset={column.label!r}, split={name!r}" for name, column in places
            )
            raise ArgumentError(
                f"Expected one data set and split, but there are {len(places)}. Name one of: "
                f"{there or 'none'}."
            )
        return places[0]

    def _method(self, name: str) -> str:
        label = as_label(name, self.methods)
        self._require("method", label, self.methods)
        return label

    def _require(self, kind: str, name: str, known: list[str]) -> None:
        if name not in known:
            near = nearest(str(name), known)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ArgumentError(
                f"Expected a {kind} of these results, but got {name!r}.{hint} "
                f"There are: {', '.join(dict.fromkeys(known))}."
            )


def results_of(
    store: Store, plan: Mapping[str, Any], shown: tuple[measures.Measure, ...] = measures.MAIN
) -> Results:
    """The results of a plan, its records checked as all reports check them.

    Raises
    ------
    StoreError
        A record breaks a rule, or its stored predictions say otherwise.
    """
    return Results(store, source_of_table(*checked_table(store, plan, shown=shown)))


def _run(
    run: Run, encoders: Mapping[str, str], figures: Sequence[measures.Measure]
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "dataset": run.dataset,
        "split": run.planned_split,
        "method": run.method,
        "backbone": encoders[run.method],
        "seed": run.seed,
        "status": run.status,
        "reason": run.reason,
    }
    result = run.result
    for measure in figures:
        value = None if result is None else result.metrics.get(measure.name)
        values[measure.name] = float("nan") if value is None else measure.printed(value)
    valid = None if result is None else result.valid_balanced_accuracy
    return {
        **values,
        "selected_epoch": None if result is None else result.selected_epoch,
        "valid_balanced_accuracy": float("nan") if valid is None else _BA.printed(valid),
        "seconds": None if result is None else result.seconds,
        "parameters": None if result is None else result.parameters,
        "job_id": run.job_id,
    }


def _classes(run: Run, record: Mapping[str, Any], encoders: Mapping[str, str]) -> dict[str, Any]:
    """Columns of the frame of a run's classes."""
    names, classes = record["data"]["class_names"], classes_of_record(record)
    figures = {
        name: [getattr(one, name) * (1 if name in _COUNTS else 100) for one in classes]
        for name in _OF_CLASSES
    }
    return {
        "dataset": run.dataset, "split": run.planned_split, "method": run.method,
        "backbone": encoders[run.method], "seed": run.seed, "class": names, **figures,
    }  # fmt: skip
