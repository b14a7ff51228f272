"""A search for settings: what was tried for each method, and what validation says of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.errors import StoreError
from bench.method import METHODS
from bench.metrics.evaluation import LOWER_IS_BETTER
from bench.metrics.selection import validation_score
from bench.report.document.numbers import DECIMALS
from bench.report.model.cells import Column
from bench.report.model.registered import title_of
from bench.report.tables.comparison import sampling_error
from bench.spec import (
    ENCODER,
    Spec,
    check_options,
    label_and_encoder,
    parse_spec,
    without_encoder,
)
from bench.training.settings import SELECT_BY

Json = Mapping[str, Any]

# Parts into which a curve is cut to see whether it still rises.
_PARTS = 5


@dataclass(frozen=True)
class Validation:
    """What validation says of a run. Nothing of the test set comes into a search.

    Attributes
    ----------
    score : float or None
        Balanced accuracy of the selected epoch, in percent, or the figure that selected it, times
        100 and negative where lower is better; None where it is undefined.
    epoch : int
        The selected one; 0 without epochs.
    curve : ndarray, shape (epochs,)
        The same by epoch from the first; nan where it is undefined.
    counts : tuple of int
        Validation samples of each class.
    by : str
        The figure that selected the epoch.
    """

    score: float | None
    epoch: int
    curve: np.ndarray
    counts: tuple[int, ...]
    by: str = SELECT_BY

    @property
    def late_gain(self) -> float | None:
        """Mean of the last fifth of the curve minus that of the fifth before, in points.

        None for a curve that is too short or has a gap there.
        """
        size = len(self.curve) // _PARTS
        gain = self.curve[-size:].mean() - self.curve[-2 * size : -size].mean() if size else np.nan
        return float(gain) if np.isfinite(gain) else None


@dataclass(frozen=True)
class Trial:
    """A method with settings that were tried.

    Attributes
    ----------
    options : mapping
        Those that were set.
    default : bool
        Whether these are the method's defaults.
    found : mapping of str to Validation
        Data set label to its finished run.
    failed : mapping of str to str
        Data set label to the reason why the run failed.
    """

    label: str
    title: str
    options: Mapping[str, Any]
    default: bool
    found: Mapping[str, Validation]
    failed: Mapping[str, str]

    @property
    def scores(self) -> list[float]:
        """What there is of them, one a data set."""
        return [run.score for run in self.found.values() if run.score is not None]


@dataclass(frozen=True)
class Search:
    """All trials of a plan: each method on the same data sets, one split and one seed.

    Attributes
    ----------
    trials : mapping of str to tuple of Trial
        Method, or row of a table, to what was tried, in the order of the plan.
    failed_lose : bool
        Whether a trial that failed is only not chosen. Otherwise it takes the choice from its
        method.
    """

    columns: tuple[Column, ...]
    split: str
    seed: int
    epochs: int
    trials: Mapping[str, tuple[Trial, ...]]
    failed_lose: bool = False

    def mean(self, trial: Trial) -> float | None:
        """Mean of its scores over the data sets, in percent; None where one is not there."""
        return None if len(trial.scores) < len(self.columns) else float(np.mean(trial.scores))

    def missing(self, method: str) -> int:
        """Scores of a method that a choice waits for, as runs failed or are missing."""
        return sum(
            len(self.columns) - len(trial.scores)
            for trial in self.trials[method]
            if not (self.failed_lose and trial.failed)
        )

    def default(self, method: str) -> Trial | None:
        """The trial of the method's defaults, if there is one."""
        return next((trial for trial in self.trials[method] if trial.default), None)

    def chosen(self, method: str) -> Trial | None:
        """The trial with the highest mean, None for a method with missing runs or without scores.

        Of means that print alike that of the defaults is taken, then the first of the plan.
        """
        if self.missing(method):
            return None
        return max(
            (trial for trial in self.trials[method] if self.mean(trial) is not None),
            key=lambda trial: (round(self.mean(trial) or 0.0, DECIMALS), trial.default),
            default=None,
        )

    def gain(self, method: str, trial: Trial) -> float | None:
        """Mean of a trial minus that of the method's defaults, in percentage points."""
        default = self.default(method)
        before = None if default is None else self.mean(default)
        after = self.mean(trial)
        return None if before is None or after is None else after - before

    @cached_property
    def errors(self) -> dict[str, float]:
        """Data set label to the largest standard error that a score can have, in points.

        That of recalls of one half, as records hold no recalls of validation. Nothing where
        another figure than balanced accuracy selects epochs.
        """
        if self.by != SELECT_BY:
            return {}
        runs = {
            label: run
            for trials in self.trials.values()
            for trial in trials
            for label, run in trial.found.items()
        }
        return {label: _worst_error(run.counts) for label, run in runs.items()}

    @property
    def by(self) -> str:
        """The figure that selects epochs and settings."""
        found = (run.by for rows in self.trials.values() for t in rows for run in t.found.values())
        return next(found, SELECT_BY)

    @property
    def unit(self) -> str:
        """What a score is, in a few words."""
        if self.by == SELECT_BY:
            return "balanced accuracy [%]"
        return f"{'-' if self.by in LOWER_IS_BETTER else ''}100 {self.by.replace('_', ' ')}"

    @property
    def error_of_gain(self) -> float | None:
        """The same of the difference of two means over the data sets, as if independent."""
        if len(self.errors) < len(self.columns):
            return None
        return float(np.sqrt(2 * np.square(list(self.errors.values())).sum())) / len(self.columns)


def validation_of(record: Json) -> Validation:
    """What a search may see of a record."""
    selection = record["selection"]
    by = selection.get("by", SELECT_BY)
    score = validation_score(selection)
    key, sign = "valid_balanced_accuracy", 1
    if by != SELECT_BY:
        key, sign = "valid_figure", -1 if by in LOWER_IS_BETTER else 1
    reported = [report.get(key) for report in record["history"]]
    return Validation(
        100 * score if math.isfinite(score) else None,
        selection["epoch"],
        sign * 100 * np.array(reported, dtype=float),
        tuple(record["data"]["valid_counts"]),
        by,
    )


def search_of(
    plan: Json,
    found: Mapping[str, Validation],
    failed: Mapping[str, str],
    is_default: Callable[[str, Mapping[str, Any]], bool],
) -> Search:
    """The search that a plan asks for and what came of it.

    Trials belong to the rows in ``trial_of`` of their jobs, or else to their method.

    Parameters
    ----------
    plan : mapping
        Of one split and one seed.
    found, failed : mapping
        Job id to what validation says of the finished run, and to the reason of a failure.
    is_default : callable
        Whether a method with these options is the method with its defaults.

    Raises
    ------
    StoreError
        The plan has several splits or seeds.
    """
    jobs = plan["jobs"]
    places = list(dict.fromkeys((job["split_label"], job["seed"]) for job in jobs))
    if len(places) > 1:
        listed = ", ".join(f"{split} {seed}" for split, seed in places)
        raise StoreError(
            f"Expected a plan of one split and one seed, but got {listed}. Run the search alone, "
            "with --preset search and a folder of its own (--out)."
        )
    runs: dict[str, dict[str, list[Json]]] = {}
    for job in jobs:
        for row in job.get("trial_of", [_with_defaults(job)]):
            runs.setdefault(row, {}).setdefault(job["method_label"], []).append(job)

    def trial(label: str, tried: list[Json]) -> Trial:
        spec, _ = without_encoder(parse_spec(label))
        options = {**set_by_plan.get(spec.name, {}), **spec.options}
        ids = {job["dataset_label"]: job["job_id"] for job in tried}
        return Trial(
            label,
            title_of(tried[0], plan, label),
            options,
            is_default(tried[0]["method"], options),
            {dataset: found[job_id] for dataset, job_id in ids.items() if job_id in found},
            {dataset: failed[job_id] for dataset, job_id in ids.items() if job_id in failed},
        )

    set_by_plan = plan["settings"].get("method_options", {})
    columns = dict.fromkeys(Column(job["dataset_label"], job["dataset"]) for job in jobs)
    trials = {
        method: tuple(trial(*item) for item in tried.items()) for method, tried in runs.items()
    }
    [(split, seed)] = places
    return Search(
        tuple(columns),
        split,
        seed,
        plan["settings"]["epochs"],
        trials,
        failed_lose="trials" in plan["settings"],
    )


def _with_defaults(job: Json) -> str:
    """A job's method with its encoder and no other option."""
    _, named = label_and_encoder(job["method_label"])
    return Spec(job["method"], {} if named is None else {ENCODER: named}).label


def is_default(method: str, options: Mapping[str, Any]) -> bool:
    """Whether a method with these options is the method with its defaults."""
    options_type = METHODS.get(method).cls.options_type
    return bool(
        check_options(options_type, Spec(method, dict(options)), "method") == options_type()
    )


def _worst_error(counts: Iterable[int]) -> float:
    present = np.array([count for count in counts if count])
    return 100 * sampling_error(np.full(len(present), 0.5), present)
