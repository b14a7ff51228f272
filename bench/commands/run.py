"""The main job: plan, prepare, run what is missing, report."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

from bench.commands.archive import open_results
from bench.commands.console import console, warn
from bench.commands.failures import show_failures
from bench.commands.prepare import prepare_dataset
from bench.commands.replaced import replaced_data
from bench.commands.report import show_report
from bench.commands.sweep import make_splits, read_stored, run_jobs
from bench.config import Resolved
from bench.data.cache import default_folder
from bench.data.obtain import locate, obtain
from bench.data.same_bytes import read_bytes_of
from bench.errors import UnavailableError
from bench.method import METHODS
from bench.report.numbers import counted
from bench.sweep.archive import archived_records
from bench.sweep.devices import Place, place_of
from bench.sweep.estimate import estimate
from bench.sweep.executors import make_executor
from bench.sweep.local import default_jobs
from bench.sweep.plan import Grid, expand, make_jobs, open_dataset, plan_document, with_required
from bench.sweep.policy import Policy
from bench.sweep.resume import done_without_weights
from bench.sweep.store import Store
from bench.tracking.listener import require_trackers


def run_benchmark(
    resolved: Resolved, policy: Policy, *, out: Path, data_dir: Path | None, dry_run: bool
) -> int:
    """Run what the settings ask for and print the table.

    Returns
    -------
    int
        0 when every run of the plan is done, 1 when some failed.
    """
    require_trackers(resolved.settings.track)
    grid = expand(resolved.settings)
    for name, reason in sorted(METHODS.unavailable().items()):
        warn(f"The method {name} is left out, as it cannot be used here: {reason}")
    store = Store(out)
    cores = resolved.settings.jobs or default_jobs()
    try:
        place = place_of(resolved.settings)
    except UnavailableError as error:
        if not dry_run:
            raise
        # A plan may be looked at where the GPU is not.
        place = Place(resolved.settings.device, cores, note=str(error))
    if place.note:
        console.print(place.note)
    if dry_run:
        return _dry_run(grid, store, policy, data_dir, place)
    executor = make_executor(resolved.settings, place, out, policy.max_minutes)
    store.require_writable()
    store.tidy()
    open_results(out)
    cache = default_folder()
    ready = {part.label: prepare_dataset(part, data_dir, cache, cores) for part in grid.datasets}
    jobs = make_jobs(
        grid,
        {label: item.prepared.content_sha256 for label, item in ready.items()},
        {label: [e.kind for e in item.prepared.entities] for label, item in ready.items()},
    )
    hashes = make_splits(jobs, ready, cache, cores)
    needed = with_required(jobs)
    samples = {label: len(item.prepared) for label, item in ready.items()}
    stored = read_stored(store.records(), needed, samples, policy, place.name)
    for line in stored.notes():
        warn(line)
    for label in replaced_data(store, jobs):
        warn(
            f"The last table in {out} showed other samples of the name {label}: it is replaced, "
            "its runs are kept. --out gives this file a folder of its own."
        )
    store.write_plan(plan := plan_document(resolved, jobs, stored.kept))
    run_jobs(
        needed,
        stored,
        asked=len(jobs),
        ready=ready,
        hashes=hashes,
        store=store,
        executor=executor,
        settings=resolved.settings,
        place=place,
        policy=policy,
    )
    code = show_report(store, plan)
    show_failures(store, needed)
    return code


def _dry_run(grid: Grid, store: Store, policy: Policy, data_dir: Path | None, place: Place) -> int:
    """Show the plan and what of it is done; reads only."""
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
    jobs = with_required(make_jobs(here, sha256, kinds))
    records = chain(store.records(), archived_records(store))
    stored = read_stored(records, jobs, samples, policy, place.name)
    done = set() if policy.force else stored.done()
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
            state = "changed" if job.job_id in stored.changed else state
        console.print(f"{state:7} {job.describe()}")
    for line in stored.notes():
        console.print(line)
    runs_a_dataset = len(grid.splits) * len(grid.seeds) * len(grid.methods)
    unlisted = (len(grid.datasets) - len(here.datasets)) * runs_a_dataset
    console.print(
        f"{counted(len(jobs) + unlisted, 'run')}: {len(jobs) - len(missing)} done, "
        f"{len(missing) + unlisted} to do"
        f"{f' ({len(again)} to do again for their weights)' if again else ''}, "
        f"{place.side_by_side} side by side."
    )
    console.print(f"Time: {estimate(missing, stored.costs, place.side_by_side, unlisted)}")
    return 0
