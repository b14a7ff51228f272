"""The main job: plan, prepare, run what is missing, report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import click

from bench.commands.archive import open_results
from bench.commands.console import console, warn
from bench.commands.failures import show_failures
from bench.commands.prepare import Ready, prepare_dataset
from bench.commands.progress import LiveRuns, LiveStep
from bench.commands.report import show_report
from bench.config import Resolved
from bench.data.audit import audit
from bench.data.cache import default_folder
from bench.data.obtain import locate, obtain
from bench.method import METHODS
from bench.sweep.archive import archived_records
from bench.sweep.costs import Costs
from bench.sweep.estimate import estimate
from bench.sweep.executor import Executor
from bench.sweep.executors import make_executor
from bench.sweep.local import default_jobs
from bench.sweep.plan import Grid, Job, expand, make_jobs, plan_document, with_required
from bench.sweep.policy import Policy
from bench.sweep.resume import Workload, done_without_weights, sort_out
from bench.sweep.splits import split_of
from bench.sweep.store import Store
from bench.sweep.worker import Task
from bench.training.run import choose_device


def run_benchmark(
    resolved: Resolved, policy: Policy, *, out: Path, data_dir: Path | None, dry_run: bool
) -> int:
    """Run what the settings ask for and print the table.

    Returns
    -------
    int
        0 when every run of the plan is done, 1 when some failed.
    """
    grid = expand(resolved.settings)
    for name, reason in sorted(METHODS.unavailable().items()):
        warn(f"The method {name} is left out, as it cannot be used here: {reason}")
    store = Store(out)
    cores = resolved.settings.jobs or default_jobs()
    if dry_run:
        return _dry_run(grid, store, data_dir, cores)
    executor = make_executor(resolved.settings, out, policy.max_minutes)
    if resolved.settings.executor.name in ("local", "in-process"):
        choose_device(resolved.settings.device)
    store.require_writable()
    store.tidy()
    open_results(out)
    cache = default_folder()
    ready = {
        part.label: prepare_dataset(grid, part, data_dir, cache, cores) for part in grid.datasets
    }
    jobs = make_jobs(
        grid,
        {label: item.prepared.content_sha256 for label, item in ready.items()},
        {label: [e.kind for e in item.prepared.entities] for label, item in ready.items()},
    )
    hashes = _make_splits(jobs, ready, cache, cores)
    plan = plan_document(resolved, jobs)
    store.write_plan(plan)
    needed = with_required(jobs)
    if policy.force:
        for job in needed:
            store.discard(job.job_id)
    samples = {label: len(item.prepared) for label, item in ready.items()}
    done, costs = _read_records(store.records(), samples)
    load = sort_out(needed, done, store, policy)
    missing = [job for job in needed if job.job_id in load.attempts]
    reused = len(needed) - len(missing) - len(load.left)
    _say_plan(len(jobs), len(needed) - len(jobs), reused, load, executor)
    tasks = [
        Task(
            job=job,
            data_path=ready[job.dataset.label].located.path,
            data_sha256=ready[job.dataset.label].located.sha256,
            split_hash=hashes[job.dataset.label, job.split.label, job.seed],
            cache_dir=cache,
            results_dir=out,
            device=resolved.settings.device,
            deterministic=resolved.settings.deterministic,
            attempt=load.attempts[job.job_id] + 1,
        )
        for job in missing
    ]
    side_by_side = executor.side_by_side or len(tasks)
    with (
        LiveRuns(missing, reused=reused, side_by_side=side_by_side, costs=costs) as live,
        closing(executor.run(tasks, live)) as outcomes,
    ):
        for outcome in outcomes:
            live.finished(outcome, store.read(outcome.job_id))
    code = show_report(store, plan)
    show_failures(store, needed)
    return code


def _say_plan(jobs: int, helpers: int, reused: int, load: Workload, executor: Executor) -> None:
    """Say how many runs there are and what is done about them.

    `helpers` counts the runs that others build on and that were not asked for themselves.
    """
    kinds = load.kinds()
    console.print(
        f"{jobs} runs{f' and {helpers} they build on' if helpers else ''}: "
        f"{reused} done before, {len(load.attempts)} to do{f' ({kinds})' if kinds else ''}, "
        f"{_places(executor)}."
    )
    if load.left:
        warn(
            f"{len(load.left)} runs are left failed, as they, or runs they build on, failed too "
            "often. --retry-failed tries them again."
        )


def _read_records(
    records: Iterable[dict[str, Any]], samples: dict[str, int]
) -> tuple[set[str], Costs]:
    """Ids of the runs that are done, of whatever plan, and what they teach about cost.

    `samples` is the number of samples by label of the data set.
    """
    costs = Costs(samples)
    done = set()
    for record in records:
        done.add(record["job_id"])
        costs.add(record)
    return done, costs


def _places(executor: Executor) -> str:
    """How many runs go on at a time, for people."""
    if executor.side_by_side is None:
        return "as many side by side as the cluster takes"
    return f"{executor.side_by_side} side by side"


def _make_splits(
    jobs: Sequence[Job], ready: dict[str, Ready], cache: Path, cores: int
) -> dict[tuple[str, str, int], str]:
    """Make and audit every split once before anything trains; hashes by data set, split, seed."""
    hashes: dict[tuple[str, str, int], str] = {}
    warned: set[tuple[str, str]] = set()
    for job in jobs:
        key = (job.dataset.label, job.split.label, job.seed)
        if key in hashes:
            continue
        prepared = ready[job.dataset.label].prepared
        with LiveStep(f"{key[0]}: {key[1]} split") as step:
            split, scaffolds = split_of(
                prepared,
                job.split,
                job.seed,
                cache_dir=cache,
                cores=cores,
                on_progress=partial(step.advance, f"{key[0]}: scaffolds of molecules"),
            )
        found = audit(
            split,
            prepared.labels,
            prepared.num_classes,
            prepared.identity,
            prepared.class_names,
            rows=prepared.rows,
            scaffolds=scaffolds,
        )
        # Seeds differ in detail only: one seed's findings stand for the others on the screen.
        if key[:2] not in warned:
            for text in (*found.problems, *found.warnings):
                warn(f"{key[0]}, {key[1]} split, seed {key[2]}: {text}")
        warned.add(key[:2])
        hashes[key] = split.hash
    return hashes


def _dry_run(grid: Grid, store: Store, data_dir: Path | None, cores: int) -> int:
    """Show the plan and what of it is done; reads only."""
    sha256, kinds, samples = {}, {}, {}
    for part in grid.datasets:
        dataset = grid.open(part)
        located = locate(dataset, data_dir=data_dir)
        if located is None and not any(s.url or s.wheel for s in dataset.candidates()):
            obtain(dataset, data_dir=data_dir, download=False)  # says what is missing
        if located is None:
            click.echo(f"{part.label}: not here yet, the run will fetch it")
            continue
        click.echo(f"{part.label}: {located.path.name} ({located.origin})")
        raw = dataset.read(located.path)
        sha256[part.label] = raw.content_sha256()
        kinds[part.label] = [entity.kind for entity in raw.entities]
        samples[part.label] = len(raw.labels)
    here = replace(grid, datasets=tuple(part for part in grid.datasets if part.label in sha256))
    jobs = with_required(make_jobs(here, sha256, kinds))
    done, costs = _read_records(chain(store.records(), archived_records(store)), samples)
    again = done_without_weights(jobs, done, store)
    missing = []
    for job in jobs:
        state = "done"
        if job.job_id in again:
            missing.append(job)
            state = "again"
        elif job.job_id not in done:
            missing.append(job)
            state = "to do" if store.read_failure(job.job_id) is None else "failed"
        click.echo(f"{state:7} {job.describe()}")
    runs_a_dataset = len(grid.splits) * len(grid.seeds) * len(grid.methods)
    unlisted = (len(grid.datasets) - len(here.datasets)) * runs_a_dataset
    click.echo(
        f"{len(jobs) + unlisted} runs: {len(jobs) - len(missing)} done, "
        f"{len(missing) + unlisted} to do"
        f"{f' ({len(again)} to do again for their weights)' if again else ''}, "
        f"{cores} side by side."
    )
    click.echo(f"Time: {estimate(missing, costs, cores, unlisted)}")
    return 0
