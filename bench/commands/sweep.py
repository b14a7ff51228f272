"""The middle of the main job: what is stored and still counts, and running what does not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.commands.console import console, warn
from bench.commands.prepare import Ready
from bench.commands.progress import LiveRuns, LiveStep
from bench.config import Settings
from bench.data.audit import audit
from bench.data.cache import default_folder
from bench.data.similarity import places_in_words, sample_similarities, similarity_in_words
from bench.errors import SplitError
from bench.report.document.numbers import counted
from bench.spec import label_and_fold
from bench.sweep.costs import Costs
from bench.sweep.devices import Place
from bench.sweep.executor import Executor
from bench.sweep.fingerprint import changed_files, changes_in_words, sources_of_job
from bench.sweep.plan import Job
from bench.sweep.policy import Policy
from bench.sweep.resume import ResumePlan, triage_jobs
from bench.sweep.splits import molecules_counted, split_of
from bench.sweep.store import Store
from bench.sweep.worker import Task
from bench.tracking.listener import Listeners, Run, flat

SplitHashes = Mapping[tuple[str, str, int], str]


@dataclass(frozen=True)
class Stored:
    """What a results folder has of the jobs that are needed.

    Attributes
    ----------
    checksums : dict of str to str
        Job id to checksum of the record, of the jobs that are stored.
    replaced : dict of str to str
        Those of them that do not count and are done again: their code has changed, or the user
        said so.
    changed, kept : dict of str to tuple of str
        Job id to files whose code has changed since, of the runs that are done again and of
        those that are kept; None where the record does not say which code made it.
    costs : Costs
        What all records teach about cost.
    """

    checksums: dict[str, str]
    replaced: dict[str, str]
    changed: dict[str, tuple[str, ...] | None]
    kept: dict[str, tuple[str, ...] | None]
    costs: Costs

    def done(self) -> set[str]:
        """Ids of the runs that count."""
        return self.checksums.keys() - self.replaced.keys()

    def notes(self) -> list[str]:
        """Which files have changed, and what is done with the runs."""
        again = (
            "Running again. (--keep-changed reuses such runs. If the change alters no figure, "
            "verify --repeat 1 shows it and spares the others.)"
        )
        return [
            f"{line} {what}"
            for found, what in ((self.changed, again), (self.kept, "Kept and marked."))
            for line in changes_in_words(found.values())
        ]


def read_stored(
    records: Iterable[Mapping[str, Any]],
    needed: Sequence[Job],
    samples: Mapping[str, int],
    policy: Policy,
    device: str | None = None,
    never_trained: Collection[str] = (),
) -> Stored:
    """What is stored, and what of it counts under `policy`.

    Parameters
    ----------
    records : iterable of mapping
        Of all finished runs.
    needed : sequence of Job
        The jobs asked for and those that they depend on.
    samples : mapping
        Label of a data set to its number of samples.
    policy : Policy
        Under ``force`` nothing counts.
    device : str, optional
        What records will call the device of the runs; None where it is not known.
    never_trained : collection of str
        Ids of runs that stand beside those asked for: they are kept though their code has changed.
    """
    stored = Stored({}, {}, {}, {}, Costs(dict(samples), device=device))
    jobs = {job.job_id: job for job in needed}
    for record in records:
        job_id = record["job_id"]
        stored.costs.add(record)
        if job_id not in jobs:
            continue
        stored.checksums[job_id] = record["checksum"]
        files = () if policy.force else changed_files(record, sources_of_job(jobs[job_id]))
        if files != () and (policy.keep_changed or job_id in never_trained):
            stored.kept[job_id] = files
        elif files != ():
            stored.changed[job_id] = files
        if policy.force or job_id in stored.changed:
            stored.replaced[job_id] = record["checksum"]
    return stored


def run_jobs(
    needed: Sequence[Job],
    stored: Stored,
    *,
    asked: int,
    ready: Mapping[str, Ready],
    hashes: SplitHashes,
    store: Store,
    executor: Executor,
    settings: Settings,
    place: Place,
    policy: Policy,
) -> list[Job]:
    """Run those of `needed` that are not done, and say how many of each kind there are.

    Parameters
    ----------
    needed : sequence of Job
        What is depended on before what depends on it.
    stored : Stored
        From :func:`read_stored`.
    asked : int
        How many of them the user asked for; others depend on the rest.
    ready, hashes : mapping
        Data sets by label, and hashes of splits from :func:`make_splits`.
    store, executor, settings, place, policy

    Returns
    -------
    list of Job
        Those that are left undone: they failed, or failed too often to be tried.
    """
    if policy.force:
        for job in needed:
            store.forget_attempts(job.job_id)
    load = triage_jobs(needed, stored.done(), stored.changed, store, policy)
    missing = [job for job in needed if job.job_id in load.attempts]
    reused = len(needed) - len(missing) - len(load.given_up)
    _say_plan(asked, len(needed) - asked, reused, load, executor)
    tasks = [
        Task(
            job=job,
            data_path=ready[job.dataset.label].located.path,
            data_sha256=ready[job.dataset.label].located.sha256,
            split_hash=hashes[job.dataset.label, job.split.label, job.seed],
            cache_dir=default_folder(),
            results_dir=store.root,
            device=place.device,
            deterministic=settings.deterministic,
            attempt=load.attempts[job.job_id] + 1,
            replaces=stored.checksums.get(job.job_id),
            keep_changed=policy.keep_changed,
        )
        for job in missing
    ]
    side_by_side = executor.side_by_side or len(tasks)
    runs = {job.job_id: _run_of(job) for job in missing}
    left = {job.job_id for job in load.given_up}
    with (
        LiveRuns(missing, reused=reused, side_by_side=side_by_side, costs=stored.costs) as live,
        closing(Listeners(live, settings.track, store.root, runs)) as listeners,
        closing(executor.run(tasks, listeners)) as outcomes,
    ):
        for outcome in outcomes:
            record = store.read(outcome.job_id) if outcome.error is None else None
            listeners.finished(outcome, record)
            if outcome.error is not None:
                left.add(outcome.job_id)
    return [job for job in needed if job.job_id in left]


def _run_of(job: Job) -> Run:
    """What trackers are told of a run."""
    return Run(
        job.job_id,
        job.describe(),
        job.dataset.label,
        job.split.label,
        job.method.label,
        job.seed,
        flat(job.to_json()),
    )


def _say_plan(jobs: int, helpers: int, reused: int, load: ResumePlan, executor: Executor) -> None:
    """Say how many runs there are and what is done about them.

    `helpers` counts the runs that others depend on and that were not asked for themselves.
    """
    kinds = load.kinds()
    console.print(
        f"{counted(jobs, 'run')}{f' and {helpers} they depend on' if helpers else ''}: "
        f"{reused} done before, {len(load.attempts)} to do{f' ({kinds})' if kinds else ''}, "
        f"{_places(executor)}."
    )
    say_given_up(load)


def say_given_up(load: ResumePlan) -> None:
    """Say how many runs are not tried."""
    if load.given_up:
        warn(
            f"Not tried: {counted(len(load.given_up), 'run')} that failed too often, or that "
            "depend on one that did. --retry-failed tries again."
        )


def _places(executor: Executor) -> str:
    """How many runs go on at a time, for people."""
    if executor.side_by_side is None:
        return "as many side by side as the cluster takes"
    return f"{executor.side_by_side} side by side"


def make_splits(
    jobs: Sequence[Job], ready: Mapping[str, Ready], cache: Path, cores: int
) -> dict[tuple[str, str, int], str]:
    """Make and audit every split once before anything trains; hashes by data set, split, seed.

    A data set that cannot be split as asked is named, and has no hash of that split.

    Raises
    ------
    SplitError
        No data set can be split as asked.
    """
    hashes: dict[tuple[str, str, int], str] = {}
    warned: set[tuple[str, str]] = set()
    impossible: dict[tuple[str, str], SplitError] = {}
    seeds: dict[tuple[str, str], set[int]] = {}
    for job in jobs:
        key = split_of_job(job)
        kind = key[0], label_and_fold(key[1])[0]
        seeds.setdefault(kind, set()).add(key[2])
        if key in hashes or kind in impossible:
            continue
        prepared = ready[job.dataset.label].prepared
        try:
            with LiveStep(f"{key[0]}: {key[1]} split") as step:
                split, scaffolds = split_of(
                    prepared,
                    job.split,
                    job.seed,
                    cache_dir=cache,
                    cores=cores,
                    on_progress=partial(step.advance, f"{key[0]}: scaffolds of molecules"),
                    called=key[0],
                )
        except SplitError as error:
            impossible[kind] = error
            continue
        found = audit(
            split,
            prepared.labels,
            prepared.num_classes,
            prepared.identity,
            prepared.class_names,
            rows=prepared.rows,
            scaffolds=scaffolds,
            can_group=getattr(job.split.options, "group_duplicates", None) is False,
        )
        # Seeds and folds differ in detail only: the findings of one stand for the others on the
        # screen.
        if kind not in warned:
            for text in (*found.problems, *found.warnings):
                warn(f"{key[0]}, {key[1]} split, seed {key[2]}: {text}")
            places = molecules_counted(job.split, prepared)
            with LiveStep(f"{key[0]}: similarity of test to training") as step:
                near = sample_similarities(
                    prepared,
                    split,
                    places,
                    cache_dir=cache,
                    jobs=cores,
                    on_progress=partial(step.advance, f"{key[0]}: nearest molecules of training"),
                )
            if near is not None:
                said = similarity_in_words(near, places_in_words(prepared, places))
                console.print(f"{key[0]}, {key[1]} split, seed {key[2]}: {said}")
        warned.add(kind)
        hashes[key] = split.hash
    possible = {
        key: split_hash
        for key, split_hash in hashes.items()
        if (key[0], label_and_fold(key[1])[0]) not in impossible
    }
    for (label, split_label), reason in impossible.items():
        if not possible:
            raise reason
        others = (
            " All its seeds are left out with this one."
            if len(seeds[label, split_label]) > 1
            else ""
        )
        warn(f"{label} is left out on the {split_label} split: {reason}{others}")
    return possible


def split_of_job(job: Job) -> tuple[str, str, int]:
    """Data set, split and seed of a job."""
    return job.dataset.label, job.split.label, job.seed
