"""The search for settings that comes before a table: what is tried, run, and chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.commands.console import console, warn
from bench.commands.report import planned_records
from bench.config import Resolved, Settings
from bench.report.document.numbers import counted
from bench.report.tables.search import Search, Validation, is_default, search_of, validation_of
from bench.sweep.plan import Grid, Job, MethodPart, plan_document
from bench.sweep.policy import Policy
from bench.sweep.resume import failed_attempts
from bench.sweep.store import TRIALS, Store
from bench.sweep.trials import grid_of_trials, has_choice, key_of, proposals

Trials = Mapping[str, Sequence[MethodPart]]
# What validation says of finished runs and why others failed, by job id.
Outcomes = tuple[Mapping[str, Validation], Mapping[str, str]]


@dataclass(frozen=True)
class Settled:
    """A search for settings as far as it has come.

    Attributes
    ----------
    trials : mapping of str to sequence of MethodPart
        Label of each row that was asked for to what is tried for it.
    split : str
        On which they run.
    chosen : mapping of str to MethodPart, or None
        Label of each row to its settings; None while trials are missing.
    unscored : tuple of str
        Labels of rows that stay as they were asked for, as no trial of them has a score.
    """

    trials: Trials
    split: str
    chosen: Mapping[str, MethodPart] | None
    unscored: tuple[str, ...] = ()

    def grid(self, asked: Grid) -> Grid:
        """The table's grid with the chosen settings; rows that have become equal are one."""
        assert self.chosen is not None
        rows: dict[str, MethodPart] = {}
        for part in self.chosen.values():
            rows.setdefault(key_of(part), part)
        return replace(asked, methods=tuple(rows.values()))

    def to_json(self, settings: Settings) -> dict[str, Any]:
        """What a caption says of it."""
        trials = settings.trials
        return {
            "number": trials.number,
            "sampler": trials.sampler,
            "seed": trials.seed,
            "split": self.split,
            "tried": {row: len(parts) for row, parts in self.trials.items()},
            "chosen": {row: part.label for row, part in (self.chosen or {}).items()},
            **({"unscored": list(self.unscored)} if self.unscored else {}),
        }


def settle(
    grid: Grid,
    resolved: Resolved,
    jobs_of: Callable[[Grid], list[Job]],
    run: Callable[[list[Job], Mapping[str, Any]], Outcomes],
) -> Settled:
    """Search settings for each row of `grid`, with the same number of trials.

    Parameters
    ----------
    grid : Grid
    resolved : Resolved
    jobs_of : callable
        The runs of a grid.
    run : callable
        Runs those jobs that have not been run yet, given the plan of all so far, and gives what
        came of all. A run that it says nothing of is missing, and the search ends there.
    """
    settings = resolved.settings
    split = grid.splits[0].label
    scores: dict[str, float | None] = {}
    by_label: dict[str, str] = {}
    search: Search | None = None
    while True:
        trials = {row.label: proposals(row, settings, scores) for row in grid.methods}
        everything = grid_of_trials(grid, settings, trials)
        new = [part for part in everything.methods if key_of(part) not in scores]
        if search is not None and not new:
            return _chosen(search, trials, by_label)
        so_far = Settled(trials, split, None)
        plan = _plan_of(resolved, jobs_of(everything), so_far)
        found, failed = run(jobs_of(replace(everything, methods=tuple(new))), plan)
        if len(found.keys() | failed.keys()) < len(plan["jobs"]):
            return so_far
        search = search_of(plan, found, failed, is_default)
        by_label = {part.label: key_of(part) for part in everything.methods}
        for trial in (trial for tried in search.trials.values() for trial in tried):
            scores[by_label[trial.label]] = search.mean(trial)


def say_choices(settled: Settled) -> None:
    """A line for each row whose settings were chosen, or that has none to choose."""
    for row, part in (settled.chosen or {}).items():
        tried = len(settled.trials[row])
        if row in settled.unscored:
            warn(f"{row} stays as asked for, as no trial of it has a score on validation.")
        elif tried > 1:
            text = "unchanged" if part.label == row else part.label
            console.print(f"{row}: {text}, the best of {counted(tried, 'trial')}")


def outcomes_of(store: Store, plan: Mapping[str, Any]) -> Outcomes:
    """What came of the runs of `plan`, as validation and failures say; all have been tried."""
    records, failures = planned_records(store, plan)
    # From here on nothing knows what came out on the test set.
    found = {record["job_id"]: validation_of(record) for record in records}
    ids = [job["job_id"] for job in plan["jobs"]]
    return found, {
        job_id: failures.get(job_id, {"reason": "a run it depends on failed"})["reason"]
        for job_id in ids
        if job_id not in found
    }


class Outlook:
    """What is known of trials without running any.

    Parameters
    ----------
    records : iterable of mapping
        Of all finished runs.
    store : Store
    policy : Policy
        A run that failed as often as it may counts as one that failed.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]], store: Store, policy: Policy) -> None:
        self.asked: list[Job] = []
        self._found = {record["job_id"]: validation_of(record) for record in records}
        self._store, self._policy = store, policy

    def of(self, new: list[Job], plan: Mapping[str, Any]) -> Outcomes:
        """Keep what would be run, and give what came of it before."""
        self.asked += new
        ids = [job["job_id"] for job in plan["jobs"]]
        missing = [job_id for job_id in ids if job_id not in self._found]
        failures = {job_id: self._store.read_failure(job_id) or {} for job_id in missing}
        jobs = {job.job_id: job for job in self.asked}
        return {job_id: self._found[job_id] for job_id in ids if job_id in self._found}, {
            job_id: failure["reason"]
            for job_id, failure in failures.items()
            if failed_attempts(jobs[job_id], failure) >= self._policy.attempts
            and not self._policy.retry_failed
        }


def runs_later(grid: Grid, settings: Settings, listed: int) -> int:
    """Runs that come after the `listed` trials: further trials, and the table."""
    trials = settings.trials.number or 0
    rows = [trials if has_choice(row) else 1 for row in grid.methods]
    table = len(grid.methods) * len(grid.splits) * len(grid.seeds)
    further = sum(rows) if settings.trials.sampler == "tpe" else 0
    return table * len(grid.datasets) + max(further * len(grid.datasets) - listed, 0)


def _chosen(search: Search, trials: Trials, by_label: Mapping[str, str]) -> Settled:
    """What each row has from then on; `by_label` is the label of a trial to its key."""
    best = {row: search.chosen(row) for row in trials}
    chosen = {
        # Rows that share a trial may have it at different places and call it differently.
        row: next(part for part in parts if key_of(part) == by_label[trial.label])
        if (trial := best[row]) is not None
        else parts[0]
        for row, parts in trials.items()
    }
    unscored = tuple(row for row, trial in best.items() if trial is None)
    return Settled(trials, search.split, chosen, unscored)


def _plan_of(resolved: Resolved, jobs: Sequence[Job], settled: Settled) -> dict[str, Any]:
    """The plan of the trials, each of which says which rows it is a trial of."""
    settings = resolved.settings.model_copy(update={"seeds": (resolved.settings.trials.seed,)})
    plan = plan_document(replace(resolved, settings=settings, preset=TRIALS), jobs)
    rows: dict[str, list[str]] = {}
    for row, parts in settled.trials.items():
        for part in parts:
            rows.setdefault(key_of(part), []).append(row)
    return {
        **plan,
        "settings": {
            **plan["settings"],
            "trials": settled.to_json(resolved.settings),
        },
        "jobs": [
            {**entry, "trial_of": rows[key_of(job.method)]}
            for entry, job in zip(plan["jobs"], jobs, strict=True)
        ],
    }
