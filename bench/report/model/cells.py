"""The one model of a results table, from which all writers print.

It knows what was planned, what came of it and what the paper printed, so a writer never has to
guess whether an empty place is a failure, a run still missing or something nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

from bench.report.model.measures import ALL, MAIN, ON_DEMAND, Measure
from bench.spec import label_of_fold
from bench.statistics import ConfidenceSet, Summary, summarise

# Behind a method: its runs were made by code that has changed since, and kept.
EARLIER_CODE = "earlier code"
# Blocks of rows in printing order, with their headings.
GROUPS = {
    "paper": "Paper", "control": "Controls", "peer": "Peers", "extension": "Extensions",
}  # fmt: skip
_MOST_FOLDS = 1000
# Two means of the same values may differ by rounding.
_NO_SPREAD = 1e-9

Key = TypeVar("Key", bound=Hashable)
Status = Literal["complete", "failed", "missing"]


@dataclass(frozen=True)
class Result:
    """What a report prints of one complete run.

    Attributes
    ----------
    metrics : dict
        As recorded: fractions, None where a figure is undefined.
    seconds : float
        Wall-clock time of the run.
    samples, unusable : int
        Rows of the data file that were used and left out.
    parts : tuple of int
        Sizes of the training, validation and test set.
    train_counts : tuple of int
        Training samples of each class.
    tested, right : tuple of int
        Test samples of each class, and how many of them were classified rightly.
    requires : tuple of str
        Job ids of the runs that it depends on.
    sources : mapping
        File to hash of the code behind it; empty where that is not recorded.
    torch : str or None
        Version of torch, where it was recorded.
    class_names : tuple of str
    epochs : int
        At most, all stages together: those of the settings, or of a method's own loop.
    predicted : tuple of int
        Test samples that were taken for each class.
    trained_epochs : int
        Epochs that this run trained itself; 0 of a method without epochs.
    """

    metrics: dict[str, float | None]
    selected_epoch: int
    valid_balanced_accuracy: float | None
    epochs: int
    batch_size: int
    seconds: float
    parameters: int
    device: str
    data_file: str
    data_sha256: str
    samples: int
    unusable: int
    split_options: Mapping[str, Any]
    parts: tuple[int, int, int]
    train_counts: tuple[int, ...]
    tested: tuple[int, ...]
    right: tuple[int, ...]
    split_hash: str
    requires: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    torch: str | None = None
    class_names: tuple[str, ...] = ()
    predicted: tuple[int, ...] = ()
    trained_epochs: int = 0

    @property
    def test_to_train(self) -> float:
        """Test samples as a part of the training samples, in the class where that is most.

        It says how much the splits of two seeds have in common, which paired tests must know. A
        part that is cut down to the smallest class still holds all test samples of that class.
        """
        return _largest_share(self.tested, self.train_counts)

    @property
    def chance(self) -> float:
        """Balanced accuracy in percent of one class for all samples: of those tested, one."""
        return 100 / max(sum(count > 0 for count in self.tested), 1)


def _largest_share(tested: Sequence[int], trained: Sequence[int]) -> float:
    return max(test / train for test, train in zip(tested, trained, strict=True) if train)


def test_to_train_of_folds(results: Sequence[Result]) -> float:
    """As :attr:`Result.test_to_train`, with the samples of all folds added up.

    A class of two samples is tested in one fold and not in the next: no single fold speaks for
    the others, and the order of folds must not count.
    """
    tested = [sum(of_class) for of_class in zip(*(own.tested for own in results), strict=True)]
    trained = [sum(own) for own in zip(*(own.train_counts for own in results), strict=True)]
    return _largest_share(tested, trained)


@dataclass(frozen=True)
class Run:
    """One planned run and what came of it; data set, split and method are labels with options.

    `fold` is that of a split whose folds are pooled, and `split` then names none. `changed` names
    the files that have changed since a run that was kept all the same, none where it is not known
    which code made it; None where the code is as it was.
    """

    job_id: str
    dataset: str
    split: str
    method: str
    seed: int
    result: Result | None = None
    reason: str | None = None
    changed: tuple[str, ...] | None = None
    fold: int | None = None

    @property
    def planned_split(self) -> str:
        """The label of the split with the fold, as the command line has it."""
        return self.split if self.fold is None else label_of_fold(self.split, self.fold)

    @property
    def seed_and_fold(self) -> str:
        """``0``, or ``0, fold 3``."""
        return str(self.seed) if self.fold is None else f"{self.seed}, fold {self.fold}"

    @property
    def name(self) -> str:
        """``hiv / random / cb / seed 0``."""
        return f"{self.dataset} / {self.planned_split} / {self.method} / seed {self.seed}"

    @property
    def replicate(self) -> int:
        """What tells the runs of a cell apart, in their order: the seed, and the fold if any."""
        return self.seed if self.fold is None else self.seed * _MOST_FOLDS + self.fold

    @property
    def status(self) -> Status:
        """A failure that a later attempt mended counts as complete."""
        if self.result is not None:
            return "complete"
        return "missing" if self.reason is None else "failed"


@dataclass(frozen=True)
class Row:
    """A method with its options; `heading` is what tables print, `encoder` that of molecules."""

    label: str
    name: str
    heading: str
    group: str
    encoder: str = ""


@dataclass(frozen=True)
class Column:
    """A data set with its options."""

    label: str
    name: str


@dataclass(frozen=True)
class Cell:
    """One measure of one method on one split of one data set.

    Attributes
    ----------
    runs : tuple of Run
        All planned runs, by seed.
    values : dict
        :attr:`Run.replicate`, mostly the seed, to value in the unit of tables, for complete runs
        in which it is defined.
    published : float or None
        The paper's figure, in percent.
    """

    measure: Measure
    runs: tuple[Run, ...]
    values: dict[int, float]
    published: float | None

    @property
    def n(self) -> int:
        """Runs in the mean."""
        return len(self.values)

    @property
    def expected(self) -> int:
        """Runs planned."""
        return len(self.runs)

    @property
    def complete(self) -> bool:
        """Whether every planned run is in the mean."""
        return self.n == self.expected

    @property
    def undefined(self) -> bool:
        """Whether runs finished and none of them has this figure."""
        return self.n == 0 and any(run.status == "complete" for run in self.runs)

    @property
    def failed(self) -> bool:
        """Whether a planned run failed and no later attempt mended it."""
        return any(run.status == "failed" for run in self.runs)

    @cached_property
    def summary(self) -> Summary | None:
        """Of the values over seeds; None without any.

        Folds of one seed, and seeds, train on much the same samples, which widens the interval.
        """
        if not self.values:
            return None
        folds = [run.result for run in self.runs if run.fold is not None and run.result is not None]
        shared = test_to_train_of_folds(folds) if folds else 0.0
        return summarise(self.values.values(), test_to_train=shared)

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None without values."""
        return None if self.summary is None else self.summary.mean

    @property
    def std(self) -> float | None:
        """Sample standard deviation over seeds (ddof 1); None below two values."""
        return None if self.summary is None else self.summary.std

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean over seeds, shares within 0 to 100.

        None below two values, and where all agree: that chance says nothing of the next seed. On a
        split whose seeds have one test set it says nothing of other samples.
        """
        if self.summary is None or self.summary.low is None or self.summary.high is None:
            return None
        low, high = self.summary.low, self.summary.high
        if high - low < _NO_SPREAD:
            return None
        return (max(low, 0.0), min(high, 100.0)) if self.measure.percent else (low, high)

    @property
    def difference(self) -> float | None:
        """Mean minus the paper's figure, in percentage points."""
        if self.mean is None or self.published is None:
            return None
        return self.mean - self.published


@dataclass(frozen=True)
class BestSet:
    """The methods of a column that are not significantly different from its best.

    Attributes
    ----------
    methods : tuple of str
        Labels of the methods compared; places in `group` are places here.
    seeds : tuple of int
        Seeds of the comparison; with folds, all of :attr:`Run.replicate`.
    alpha : float
        Chance of any false claim in the column.
    confidence_set : ConfidenceSet
        In the unit of tables.
    means : tuple of float
        Of each method over `seeds`, in the unit of tables.
    clusters : tuple of tuple of str
        Labels of methods that depend on the same trained network, where two or more do.
    repeats : int or None
        Different seeds among `seeds`, where folds of one seed are pooled; None: all differ.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    alpha: float
    confidence_set: ConfidenceSet
    means: tuple[float, ...]
    clusters: tuple[tuple[str, ...], ...] = ()
    repeats: int | None = None

    @property
    def different_seeds(self) -> int:
        """How many seeds are compared, whatever their folds."""
        return len(self.seeds) if self.repeats is None else self.repeats

    @property
    def best(self) -> str:
        """Label of the best."""
        return self.methods[self.confidence_set.best]

    @property
    def ranked(self) -> tuple[str, ...]:
        """Labels of all that are compared, the best first."""
        gaps = dict(zip(self.methods, self.confidence_set.gaps, strict=True))
        return tuple(sorted(gaps, key=lambda label: (gaps[label], label != self.best)))

    @property
    def members(self) -> frozenset[str]:
        """Labels of the best and of what is not significantly different from it."""
        return frozenset(self.methods[place] for place in self.confidence_set.members)


@dataclass(frozen=True)
class Advice:
    """What a reader may act on, in plain text; names of methods stand in it as they are.

    Attributes
    ----------
    sentences : tuple of str
        Each can stand on a line of its own.
    methods : tuple of str
        Labels of the methods that it is about.
    split : str
        The split that it speaks of; nothing where it speaks of all.
    heading : str
        What names the split where there are several; nothing where there is one.
    """

    sentences: tuple[str, ...]
    methods: tuple[str, ...] = ()
    split: str = ""
    heading: str = ""

    @property
    def text(self) -> str:
        """All sentences as one text, behind the heading of their split."""
        return (f"{self.heading}: " if self.heading else "") + " ".join(self.sentences)


@dataclass(frozen=True)
class Verdict:
    """What follows from the results of one data set: by balanced accuracy, whatever is shown.

    Attributes
    ----------
    label : str
        Of the data set.
    use, avoid, trust : tuple of Advice
        Which method to use, which not to, and how far to trust that.
    """

    label: str
    use: tuple[Advice, ...] = ()
    avoid: tuple[Advice, ...] = ()
    trust: tuple[Advice, ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, tuple[Advice, ...]], ...]:
        """The three kinds of advice with their headings, those without any left out."""
        kinds = (("Use", self.use), ("Avoid", self.avoid), ("Trust", self.trust))
        return tuple((heading, advice) for heading, advice in kinds if advice)

    def __str__(self) -> str:
        lines = [f"{heading}: {one.text}" for heading, own in self.parts for one in own]
        return "\n".join([self.label, *lines])


@dataclass(frozen=True)
class Table:
    """Everything a report prints.

    Attributes
    ----------
    settings : mapping
        Resolved settings of the sweep, for the caption.
    splits, columns, rows
        In printing order.
    runs : tuple of Run
        All planned runs in printing order.
    cells : mapping
        (split, data set label, method label, metric) to the cell; absent where nothing was planned.
    leaders : mapping or None
        (split, data set label, metric) to the methods that are bold, absent where nothing can be
        tested. None where bold is the highest mean alone.
    shown : tuple of Measure
        The columns of each data set in tables for people.
    verdicts : tuple of Verdict
        One a data set, from :func:`bench.report.model.verdict.verdicts`, where they were asked for.
    required : mapping
        Job id to the result of runs that are not in the table and that others depend on.
    """

    settings: Mapping[str, Any]
    splits: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    runs: tuple[Run, ...]
    cells: Mapping[tuple[str, str, str, str], Cell]
    leaders: Mapping[tuple[str, str, str], BestSet] | None = None
    shown: tuple[Measure, ...] = MAIN
    verdicts: tuple[Verdict, ...] = ()
    required: Mapping[str, Result] = field(default_factory=dict)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Those that cells are there of: what every table has, then what was asked for."""
        return with_shown(self.shown)

    @cached_property
    def recorded(self) -> tuple[Measure, ...]:
        """What every table has, then the others of which a run has a figure."""
        results = [run.result.metrics for run in self.runs if run.result is not None]
        return (
            *ALL,
            *(
                measure
                for measure in ON_DEMAND
                if any(metrics.get(measure.name) is not None for metrics in results)
            ),
        )

    def cell(self, split: str, column: Column, row: Row, measure: Measure) -> Cell | None:
        """The cell, or None where nothing was planned."""
        return self.cells.get((split, column.label, row.label, measure.name))

    def columns_of(self, split: str) -> tuple[Column, ...]:
        """Data sets with a run planned on `split`."""
        planned = {run.dataset for run in self.runs if run.split == split}
        return tuple(column for column in self.columns if column.label in planned)

    def rows_of(self, split: str, columns: Iterable[Column]) -> tuple[Row, ...]:
        """Methods with a run planned on `split` of any of the data sets `columns`."""
        labels = {column.label for column in columns}
        planned = {run.method for run in self.runs if run.split == split and run.dataset in labels}
        return tuple(row for row in self.rows if row.label in planned)

    def has_published(self, split: str, column: Column, measure: Measure) -> bool:
        """Whether the paper printed a figure for any row of a column."""
        cells = (self.cell(split, column, row, measure) for row in self.rows)
        return any(cell is not None and cell.published is not None for cell in cells)

    def best_set(self, split: str, column: Column, measure: Measure) -> BestSet | None:
        """Of :attr:`leaders`; None where nothing can be tested."""
        return (self.leaders or {}).get((split, column.label, measure.name))

    def best(self, split: str, column: Column, measure: Measure) -> frozenset[str]:
        """Labels of the methods that are bold in a column: those of `leaders`.

        Without these the highest mean: only cells with all their runs compete, and means that
        print alike share the lead.
        """
        if self.leaders is not None:
            best_set = self.best_set(split, column, measure)
            return frozenset() if best_set is None else best_set.members
        means: dict[str, float] = {}
        for row in self.rows:
            cell = self.cell(split, column, row, measure)
            if cell is not None and cell.complete and cell.mean is not None:
                means[row.label] = round(cell.mean, measure.decimals)
        if not means:
            return frozenset()
        lead = (max if measure.higher_is_better else min)(means.values())
        return frozenset(label for label, mean in means.items() if mean == lead)


def with_shown(shown: Iterable[Measure]) -> tuple[Measure, ...]:
    """What every table has, then what else is `shown`."""
    return tuple(dict.fromkeys((*ALL, *shown)))


def first_results(runs: Iterable[Run], key_of: Callable[[Run], Key]) -> dict[Key, Result]:
    """The result of the first complete run of each key."""
    first: dict[Key, Result] = {}
    for run in runs:
        if run.result is not None:
            first.setdefault(key_of(run), run.result)
    return first
