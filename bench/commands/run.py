"""The main job: plan, prepare, run what is missing, report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from bench.commands.archive import open_results
from bench.commands.baselines import Joined, open_baselines
from bench.commands.console import console, warn
from bench.commands.failures import show_failures
from bench.commands.prepare import prepare_dataset
from bench.commands.replaced import replaced_data
from bench.commands.report import show_report
from bench.commands.sweep import (
    Stored,
    make_splits,
    read_stored,
    run_jobs,
    say_given_up,
    split_of_job,
)
from bench.commands.trials import Outcomes, Outlook, outcomes_of, runs_later, say_choices, settle
from bench.config import Resolved
from bench.data.cache import default_folder
from bench.data.obtain import locate, obtain
from bench.data.same_bytes import read_bytes_of
from bench.errors import StoreError, UnavailableError, UsageError
from bench.method import METHODS
from bench.report.document.numbers import counted
from bench.report.model.measures import MAIN, Measure
from bench.report.model.registered import with_registered_names
from bench.sweep.archive import archived_records
from bench.sweep.devices import Place, place_of
from bench.sweep.estimate import estimate
from bench.sweep.executors import make_executor
from bench.sweep.fingerprint import edited_files_of
from bench.sweep.local import default_jobs
from bench.sweep.plan import (
    Grid,
    Job,
    expand,
    left_out,
    make_jobs,
    open_dataset,
    plan_document,
    require_packages,
    with_required,
)
from bench.sweep.policy import Policy
from bench.sweep.resume import triage_jobs
from bench.sweep.retention import Keep, models_to_forget
from bench.sweep.splits import require_columns
from bench.sweep.store import Store, with_replaced
from bench.sweep.trials import check_trials
from bench.tracking.listener import require_trackers


@dataclass(frozen=True)
class Benchmark:
    """A benchmark whose runs have all ended, well or not.

    Attributes
    ----------
    store : Store
        The results folder.
    plan : dict
        As reports read it.
    left : list of Job
        The runs that failed, of those that were asked for and those that they depend on.
    """

    store: Store
    plan: dict[str, Any]
    left: list[Job]


def run_benchmark(
    resolved: Resolved,
    policy: Policy,
    *,
    out: Path,
    data_dir: Path | None,
    dry_run: bool,
    shown: tuple[Measure, ...] = MAIN,
    baselines: str | None = None,
) -> int:
    """Run what the settings ask for and print the table with the columns `shown`.

    Finished runs of `baselines`, a results folder or ``reference``, stand beside them.

    Returns
    -------
    int
        0 when every run of the plan is done, 1 when some failed.
    """
    if dry_run:
        return _dry_run(resolved, policy, out, data_dir, baselines)
    done = carry_out(resolved, policy, out=out, data_dir=data_dir, baselines=baselines)
    code = show_report(done.store, with_registered_names(done.plan), shown=shown)
    show_failures(done.store, done.left)
    return code


def carry_out(
    resolved: Resolved,
    policy: Policy,
    *,
    out: Path,
    data_dir: Path | None,
    baselines: str | None = None,
) -> Benchmark:
    """Run what the settings ask for and is not done: the command line and Python both come here.

    Finished runs of `baselines`, a results folder or ``reference``, are joined and never trained.

    Raises
    ------
    BenchError
        The settings, the data or the folder cannot be used. A run that fails raises nothing: the
        store knows it.
    """
    grid = _grid(resolved)
    shipped = open_baselines(baselines, policy)
    store = Store(out)
    cores = resolved.settings.jobs or default_jobs()
    place = place_of(resolved.settings)
    if place.note:
        console.print(place.note)
    executor = partial(make_executor, resolved.settings, place, out, policy.max_minutes)
    executor()  # what cannot run is refused before anything is written
    store.require_writable()
    store.tidy()
    open_results(out)
    cache = default_folder()
    ready = {part.label: prepare_dataset(part, data_dir, cache, cores) for part in grid.datasets}
    jobs_of = partial(
        make_jobs,
        content_sha256={label: item.prepared.content_sha256 for label, item in ready.items()},
        entity_kinds={label: [e.kind for e in i.prepared.entities] for label, i in ready.items()},
    )
    if edited := edited_files_of(jobs_of(grid)):
        raise UsageError(
            f"Expected {', '.join(edited)} as this Python process has read it, but it changed "
            "since. Restart Python (in a notebook: its kernel) and call again."
        )
    samples = {label: len(item.prepared) for label, item in ready.items()}
    # Checksums of stored records that do not count, of trials and table.
    replaced: dict[str, str] = {}
    hashes: dict[tuple[str, str, int], str] = {}

    def split(jobs: list[Job]) -> list[Job]:
        """Make the splits that there are not yet, and give the jobs whose data can be split so."""
        new = [job for job in jobs if split_of_job(job) not in hashes]
        hashes.update(make_splits(new, ready, cache, cores))
        return [job for job in jobs if split_of_job(job) in hashes]

    def run(
        jobs: list[Job],
        write_plan: Callable[[list[Job], Stored], object],
        kept: Collection[str] = (),
    ) -> tuple[list[Job], list[Job]]:
        """Run what is not done of `jobs` and of what they depend on; all, and what is left."""
        jobs = split(jobs)
        needed = with_required(jobs)
        stored = read_stored(store.records(), needed, samples, policy, place.name, kept)
        require_packages([job for job in needed if job.job_id not in stored.done()])
        for line in stored.notes():
            warn(line)
        replaced.update(stored.replaced)
        write_plan(jobs, stored)
        left = run_jobs(
            needed,
            stored,
            asked=len(jobs),
            ready=ready,
            hashes=hashes,
            store=store,
            executor=executor(),
            settings=resolved.settings,
            place=place,
            policy=policy,
        )
        # What another command with other code has stored meanwhile does not count either.
        undone = {job.job_id for job in left} - stored.done()
        now = {job_id: rec["checksum"] for job_id in undone if (rec := store.read(job_id))}
        if not now.items() <= stored.replaced.items():
            stored.replaced.update(now)
            replaced.update(now)
            write_plan(jobs, stored)
        return needed, left

    tried: list[Job] = []

    def run_trials(jobs: list[Job], plan: Mapping[str, Any]) -> Outcomes:
        # The plan holds the trials before, too.
        needed, left = run(jobs, lambda *_: store.write_trials(with_replaced(plan, replaced)))
        tried.extend(needed)
        show_failures(store, left)
        return outcomes_of(store, with_replaced(plan, replaced))

    trials = None
    if resolved.settings.trials.number is not None:
        console.print("First the trials of each method's options, then the table.")
        seed = resolved.settings.trials.seed
        first = replace(grid, splits=grid.splits[:1], seeds=(seed,), methods=grid.methods[:1])
        # A mean over data sets needs all of them: one that cannot be split has no part in it.
        possible = {job.dataset.label for job in split(jobs_of(first))}
        searched = tuple(part for part in grid.datasets if part.label in possible)
        settled = settle(replace(grid, datasets=searched), resolved, jobs_of, run_trials)
        say_choices(settled)
        grid, trials = settled.grid(grid), settled.to_json(resolved.settings)
    jobs = jobs_of(grid)
    plan: dict[str, Any] = {}
    joined: Joined | None = None
    kept: Collection[str] = ()
    if shipped is not None:
        joined = shipped.join(jobs, grid, resolved.settings, jobs_of).beside(store)
        joined.put(store)
        console.print(joined.in_words())
        kept = joined.never_trained(jobs)
        jobs = [*jobs, *joined.jobs]

    def write_plan(jobs: list[Job], stored: Stored) -> None:
        for label in replaced_data(store, jobs):
            warn(
                f"The last table in {out} showed other samples of the name {label}: it is "
                "replaced, its runs are kept. --out gives this file a folder of its own."
            )
        document = plan_document(resolved, jobs, stored.kept, trials)
        plan.update(with_replaced(document, stored.replaced))
        if joined is not None:
            plan["settings"]["joined"] = joined.to_json()
        store.write_plan(plan)

    needed, left = run(jobs, write_plan, kept)
    _forget_models(store, needed, resolved.settings.keep_models, tried, replaced)
    return Benchmark(store, plan, left)


def _grid(resolved: Resolved) -> Grid:
    """What the settings ask for, with a warning for each method that cannot be used here."""
    require_trackers(resolved.settings.track)
    grid = expand(resolved.settings)
    require_columns(grid.datasets, grid.splits)
    check_trials(resolved.settings)
    absent = METHODS.unavailable() | left_out(resolved.settings.methods)
    for name, reason in sorted(absent.items()):
        warn(f"The method {name} is left out, as it cannot be used here: {reason}")
    return grid


def _forget_models(
    store: Store,
    jobs: Sequence[Job],
    keep: Keep,
    trials: Sequence[Job],
    replaced: Mapping[str, str],
) -> None:
    """Remove the models that are not to be kept, and say how many."""
    if keep == "all":
        return
    if store.is_in_use():
        # Its runs may depend on models of this command's, and no plan here tells.
        console.print(
            f"All models are kept for now, as another command is at work in {store.root}. Start "
            f"this one again after it, to keep {keep}."
        )
        return
    counting = (r for r in store.records() if r["checksum"] != replaced.get(r["job_id"]))
    ids = models_to_forget(jobs, counting, keep, trials)
    freed = [store.forget_model(job_id) for job_id in ids]
    if any(freed):
        console.print(
            f"Models of {counted(sum(size > 0 for size in freed), 'run')} removed, "
            f"{sum(freed) / 2**20:,.1f} MiB (--keep-models {keep})."
        )


def _dry_run(
    resolved: Resolved,
    policy: Policy,
    out: Path,
    data_dir: Path | None,
    baselines: str | None,
) -> int:
    """Show the plan and what of it is done; reads only."""
    grid = _grid(resolved)
    shipped = open_baselines(baselines, policy)
    store = Store(out)
    try:
        place = place_of(resolved.settings)
    except UnavailableError as error:
        # A plan may be looked at where the GPU is not.
        cores = resolved.settings.jobs or default_jobs()
        place = Place(resolved.settings.device, cores, note=str(error))
    if place.note:
        console.print(place.note)
    try:
        make_executor(resolved.settings, place, out, policy.max_minutes)
    except UnavailableError as error:
        console.print(str(error))
    sha256, kinds, samples = {}, {}, {}
    for part in grid.datasets:
        dataset = open_dataset(part)
        located = locate(dataset, data_dir=data_dir)
        if located is None and not any(s.url or s.wheel for s in dataset.candidates()):
            obtain(dataset, data_dir=data_dir, download=False)  # says what is missing
        if located is None:
            console.print(f"{part.label}: not here yet, the run will fetch it")
            continue
        console.print(f"{part.label}: {located.path.name} ({located.origin})")
        raw = read_bytes_of(dataset, located.path, located.sha256)
        sha256[part.label] = raw.content_sha256()
        kinds[part.label] = [entity.kind for entity in raw.entities]
        samples[part.label] = len(raw.labels) - len(raw.unusable)
    here = replace(grid, datasets=tuple(part for part in grid.datasets if part.label in sha256))
    jobs_of = partial(make_jobs, content_sha256=sha256, entity_kinds=kinds)
    records = lambda: chain(store.records(), archived_records(store))  # noqa: E731
    asked, later = [], 0
    if resolved.settings.trials.number is None:
        asked = jobs_of(here)
    elif here.datasets:
        stored_outcomes = Outlook(() if policy.force else records(), store, policy)
        settled = settle(here, resolved, jobs_of, stored_outcomes.of)
        say_choices(settled)
        asked = stored_outcomes.asked
        if settled.chosen is not None:
            asked += jobs_of(settled.grid(here))
        else:
            later = runs_later(here, resolved.settings, len(asked))
    kept: Collection[str] = ()
    found = records()
    if shipped is not None and here.datasets:
        try:
            with_them = shipped.join(asked, here, resolved.settings, jobs_of).beside(store)
        except StoreError:  # they may be of data that is not here yet
            if len(here.datasets) == len(grid.datasets):
                raise
        else:
            console.print(with_them.in_words())
            kept, found = with_them.never_trained(asked), chain(found, with_them.records())
            asked = [*asked, *with_them.jobs]
    jobs = with_required(asked)
    stored = read_stored(found, jobs, samples, policy, place.name, kept)
    # A start with --force forgets how often runs have failed.
    tries = replace(policy, retry_failed=policy.retry_failed or policy.force)
    load = triage_jobs(jobs, stored.done(), stored.changed, store, tries)
    again = {job.job_id for job in load.again}
    missing = [job for job in jobs if job.job_id in load.attempts]
    given_up = {job.job_id for job in load.given_up}
    for job in jobs:
        state = "done"
        if job.job_id in again:
            state = "again"
        elif job.job_id in given_up:
            state = "gave up"
        elif job.job_id in stored.changed:
            state = "changed"
        elif job.job_id in load.attempts:
            state = "to do" if store.why_failed(job.job_id) is None else "failed"
        console.print(f"{state:7} {job.describe()}")
    for line in stored.notes():
        console.print(line)
    say_given_up(load)
    try:
        require_packages(missing)
    except UnavailableError as error:
        console.print(str(error))
    runs_a_dataset = len(grid.splits) * len(grid.seeds) * len(grid.methods)
    unlisted = (len(grid.datasets) - len(here.datasets)) * runs_a_dataset + later
    if later:
        console.print(f"Then {counted(later, 'run')} with settings that depend on these trials.")
    console.print(
        f"{counted(len(jobs) + unlisted, 'run')}: {len(jobs) - len(missing) - len(given_up)} done, "
        f"{len(missing) + unlisted} to do"
        f"{f' ({len(again)} to do again for their weights)' if again else ''}, "
        f"{place.side_by_side} side by side."
    )
    console.print(f"Time: {estimate(missing, stored.costs, place.side_by_side, unlisted)}")
    return 0
