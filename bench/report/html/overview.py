"""What the page says of a data set before its tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.checkout import PROGRAM
from bench.metrics.groups import rarest_class
from bench.plain_text import some_of
from bench.report.document.numbers import counted, duration, fixed
from bench.report.figures.source import Source
from bench.report.figures.style import file_name
from bench.report.figures.write import Picture
from bench.report.html.chart import Chart, chart_of
from bench.report.html.results import Line, Place
from bench.report.model.cells import Column, Run, first_results
from bench.report.model.command import command
from bench.report.model.many_classes import MOST_CLASSES_SHOWN
from bench.report.model.published import PAPER, STAND_INS
from bench.report.model.registered import origin_of

# Pictures of one split of one data set.
_OF_A_PLACE = ("groups", "gain", "confusion", "curves")
_MOST_NAMED = 6
# Pieces of text, and whether they are printed strong.
Sentence = list[tuple[str, bool]]


@dataclass(frozen=True)
class Overview:
    """A data set on the page.

    Attributes
    ----------
    origin : str
        Where it comes from.
    facts : tuple of str
        What it is: samples, classes, the rare class, splits, seeds, runs.
    advice : mapping
        Split to what the verdict says of it, by its headings, and nothing to what it says of all.
    commands : tuple of (str, str)
        What each does, and how it is typed.
    anchors : mapping
        What is typed, to its name on the page, of commands that the verdict of a split leads to.
    charts : tuple of Chart
        One a split.
    with_paper : bool
        Whether the paper printed a figure of it.
    pictures : tuple of Picture
        Of this data set alone.
    """

    key: str
    column: Column
    stand_in: str
    origin: str
    facts: tuple[str, ...]
    complete: int
    planned: int
    advice: Mapping[str, Sequence[tuple[str, Sequence[Sentence]]]]
    commands: tuple[tuple[str, str], ...]
    anchors: Mapping[str, str]
    charts: tuple[Chart, ...]
    with_paper: bool
    pictures: tuple[Picture, ...]

    @property
    def label(self) -> str:
        """Of the data set."""
        return self.column.label

    @property
    def best(self) -> dict[str, str]:
        """The best methods, and on which splits."""
        found: dict[str, list[str]] = {}
        for place in self.places:
            if place.best is not None and place.lead is not None:
                split = f"{place.split},{place.lead.among}" if place.lead.among else place.split
                found.setdefault(place.best.heading, []).append(split)
        return {name: " and ".join(splits) for name, splits in found.items()}

    @property
    def places(self) -> tuple[Place, ...]:
        """Its splits."""
        return tuple(chart.place for chart in self.charts)

    @property
    def with_one_seed(self) -> bool:
        """Whether a difference is that of one pair of runs."""
        return any(gap.pairs == 1 for place in self.places for gap in place.gaps.values())

    @property
    def elsewhere(self) -> bool:
        """Whether a time was measured on another machine."""
        return any(line.elsewhere for place in self.places for line in place.lines)

    def key_of_dots(self, tested: bool) -> list[tuple[str, str]]:
        """The marks that are in the charts, and what they say.

        `tested` is whether bold is the set of methods that are not significantly different.
        """
        marks = [mark for chart in self.charts for mark in chart.marks if mark.dot is not None]
        bold = {mark.best for mark in marks}
        key = []
        if True in bold and tested:
            says = "shaded, bold: not significantly different from the best"
            chance = any(mark.line.figures[0].best and not mark.best for mark in marks)
            key.append(("best", says + ", and above chance" * chance))
        elif True in bold:
            key.append(("best", "shaded, bold: the highest mean; nothing is tested"))
        if False in bold:
            worse = (
                "significantly worse, or not tested"
                if True in bold and tested
                else "mean of a method"
            )
            key.append(("other", worse))
        if any(mark.runs for mark in marks):
            key.append(("run", "one run"))
        return key

    @property
    def baseline_number(self) -> int | None:
        """The method that others are compared with at first."""
        for place in self.places:
            for line in place.lines:
                if line.row == place.baseline:
                    return line.number
        return None


def overviews(
    source: Source, places: Sequence[Place], pictures: Sequence[Picture], folder: str
) -> list[Overview]:
    """One a data set, in printing order."""
    return [
        _overview(
            source,
            f"d{number}",
            column,
            [place for place in places if place.column == column],
            pictures,
            folder,
        )
        for number, column in enumerate(source.table.columns)
    ]


def shared_pictures(all_of: Sequence[Overview], pictures: Sequence[Picture]) -> list[Picture]:
    """Those that are of no data set alone."""
    own = {picture.name for one in all_of for picture in one.pictures}
    return [picture for picture in pictures if picture.name not in own]


def _overview(
    source: Source,
    key: str,
    column: Column,
    places: Sequence[Place],
    pictures: Sequence[Picture],
    folder: str,
) -> Overview:
    runs = [run for run in source.table.runs if run.dataset == column.label]
    complete = sum(run.result is not None for run in runs)
    names = {file_name(kind, place.split, column.label) for place in places for kind in _OF_A_PLACE}
    return Overview(
        key=key,
        column=column,
        stand_in=STAND_INS.get(column.name, ""),
        origin=_origin(source, column),
        facts=(*_data(source, column), *_design(runs, places)),
        complete=complete,
        planned=len(runs),
        advice={
            "": _advice(source, column, ""),
            **{one.split: _with_paper(_advice(source, column, one.split), one) for one in places},
        },
        commands=_commands(source, column, runs, places, folder),
        anchors={
            _missed(place.best, folder)[1]: f"missed-{place.key}"
            for place in places
            if place.best is not None
        },
        charts=tuple(map(chart_of, places)),
        with_paper=any(place.with_paper for place in places),
        pictures=tuple(picture for picture in pictures if picture.name in names),
    )


def _advice(source: Source, column: Column, split: str) -> list[tuple[str, list[Sentence]]]:
    """What to use, avoid and trust on a split; without one, what is said of the whole data set."""
    verdicts = [one for one in source.table.verdicts if one.label == column.label]
    return [
        (heading, own)
        for verdict in verdicts
        for heading, advice in verdict.parts
        if (
            own := [
                _sentence(source, text, one.methods if heading == "Use" else ())
                for one in advice
                if one.split == split
                for text in one.sentences
            ]
        )
    ]


def _sentence(source: Source, text: str, methods: Sequence[str]) -> Sentence:
    """`text` with the names of `methods` apart, to be printed strong."""
    names = {row.heading for row in source.table.rows if row.label in methods}
    if not names:
        return [(text, False)]
    # The longest first: a name may begin with another one.
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return [(piece, piece in names) for piece in re.split(f"({pattern})", text) if piece]


def _origin(source: Source, column: Column) -> str:
    """The file, and what is registered of the data set; a file of the user's says it itself."""
    result = first_results(source.table.runs, lambda run: run.dataset).get(column.label)
    known = "" if column.name == "csv" else origin_of(column.name)
    if result is None:
        return known
    return f"{result.data_file}{f': {known}' if known else ''}"


def _data(source: Source, column: Column) -> list[str]:
    """Samples, classes, and the rare class with its share of the training samples."""
    results = [run.result for run in source.table.runs if run.dataset == column.label]
    done = [result for result in results if result is not None]
    if not done:
        return ["no complete run"]
    result = done[0]
    counts = np.array(result.train_counts)
    facts = [counted(result.samples, "sample"), f"{len(counts):,} classes"]
    if len(counts) > MOST_CLASSES_SHOWN:
        return [*facts, f"{counts.min():,} to {counts.max():,} training samples a class"]
    rarest = rarest_class(counts)
    same = all(rarest_class(np.array(one.train_counts)) == rarest for one in done)
    name = f" {result.class_names[rarest]}" if result.class_names and same else ""
    share = 100 * counts[rarest] / max(counts.sum(), 1)
    digits = 1 if share >= 1 else 2
    return [*facts, f"rarest: class{name}, {fixed(share, digits)} % of the training samples"]


def _design(runs: Sequence[Run], places: Sequence[Place]) -> list[str]:
    seeds = len({run.seed for run in runs})
    splits = " and ".join(place.split for place in places)
    return [f"{splits} split{'s' * (len(places) > 1)}", counted(seeds, "seed")]


def _commands(
    source: Source, column: Column, runs: Sequence[Run], places: Sequence[Place], folder: str
) -> tuple[tuple[str, str], ...]:
    repeat = command(
        source.table.settings,
        column.label,
        ",".join(dict.fromkeys(run.planned_split for run in runs)),
        ",".join(dict.fromkeys(run.method for run in runs)),
        sorted({run.seed for run in runs}),
    )
    found = [] if repeat is None else [(f"Repeat all runs of this data set{_cost(runs)}", repeat)]
    bests = [place.best for place in places if place.best is not None]
    found += [_missed(line, folder) for line in bests]
    of_method: dict[str, Line] = {}
    for line in bests:
        of_method.setdefault(line.row.label, line)
    found += [_predict(source, line, folder) for line in of_method.values()]
    return tuple(found)


def _cost(runs: Sequence[Run]) -> str:
    """How long they took in all."""
    seconds = sum(run.result.seconds for run in runs if run.result is not None)
    return f" ({counted(len(runs), 'run')}, {duration(seconds)} one after the other)"


def _first(line: Line) -> Run:
    return next(run for run in line.cell.runs if run.result is not None)


def _missed(best: Line, folder: str) -> tuple[str, str]:
    run = _first(best)
    return (
        f"List the test samples that {best.heading} missed on the {best.split} split (seed "
        f"{run.seed_and_fold})",
        f"{PROGRAM} show {shlex.quote(run.job_id)} --out {shlex.quote(folder)} "
        "--csv missed.csv --missed",
    )


def _predict(source: Source, best: Line, folder: str) -> tuple[str, str]:
    """Two lines: a final model, and its predictions."""
    run = _first(best)
    inputs = source.records[run.job_id]["data"].get("inputs") or [["smiles", "molecule"]]
    names = ["smiles" if inputs == [["molecule", "molecule"]] else name for name, _ in inputs]
    columns = f"the column{'s' * (len(names) > 1)} {', '.join(names)}"
    return (
        f"Predict new molecules, new.csv with {columns}: train a final model like {best.heading} "
        "once, then predict with it",
        f"{PROGRAM} fit --like {shlex.quote(run.job_id)} --out {shlex.quote(folder)} "
        f"--to best_model\n{PROGRAM} predict best_model new.csv --to predictions.csv",
    )


def _with_paper(
    advice: list[tuple[str, list[Sentence]]], place: Place
) -> list[tuple[str, list[Sentence]]]:
    """`advice` with the methods of which the paper printed a higher figure, after what to use.

    Unchanged where the paper printed none.
    """
    gaps = [(line.heading, line.cell.difference) for line in place.lines]
    known = sorted(((name, gap) for name, gap in gaps if gap is not None), key=lambda pair: pair[1])
    if not known:
        return advice
    higher = [f"{name} {fixed(-gap)}" for name, gap in known if gap < 0]
    text = f"The paper ({PAPER}) is higher for {len(higher) or 'none'} of {len(known)} methods"
    text += f", in points: {some_of(higher, _MOST_NAMED)}." if higher else "."
    use = [one for one in advice if one[0] == "Use"]
    others = [one for one in advice if one[0] != "Use"]
    return [*use, ("Published higher", [[(text, False)]]), *others]
