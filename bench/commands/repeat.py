"""Train a sample of stored runs again: are the figures what this code computes?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from bench.commands.archive import open_results
from bench.commands.console import console, warn
from bench.commands.failures import show_failures
from bench.commands.prepare import Ready, prepare_dataset
from bench.commands.sweep import make_splits, read_stored, run_jobs, split_of_job
from bench.config import Settings
from bench.data.cache import default_folder
from bench.errors import DataError, StoreError
from bench.processor import processor
from bench.report.document.numbers import counted
from bench.sweep.devices import place_of
from bench.sweep.executors import make_executor
from bench.sweep.fingerprint import changed_files, sources_of_job
from bench.sweep.local import default_jobs
from bench.sweep.plan import Job, Part, with_required
from bench.sweep.policy import Policy
from bench.sweep.repeat import (
    BIT_FOR_BIT,
    BOUND,
    WITHIN,
    Comparison,
    compare,
    components,
    draw,
    label_of,
)
from bench.sweep.store import Store
from bench.sweep.stored_jobs import job_of

Json = Mapping[str, Any]


def repeat_runs(out: Path, number: int, seed: int, jobs: int, data_dir: Path | None) -> int:
    """Train `number` stored runs of each method again and compare them with what is stored.

    Methods with other options are other methods here. Where the code of some runs has changed,
    only methods with such runs are drawn. Where all runs of a method that were drawn are equal, the
    stored runs of that method count as made by the present code from then on.

    Parameters
    ----------
    out : Path
        The results folder.
    number : int
        Runs of each method; those that they depend on are trained as well.
    seed : int
        Decides which runs are drawn.
    jobs : int
        Runs side by side; 0 for one a core.
    data_dir : Path or None
        Looked in first for data files.

    Returns
    -------
    int
        0 when all are equal, 1 when not.

    Raises
    ------
    StoreError
        There is nothing to repeat, or the data or splits are not those of the stored runs.
    """
    store = open_results(out)
    records = {record["job_id"]: record for record in store.records()}
    if not records:
        raise store.without_runs()
    cores = jobs or default_jobs()
    known = _known_jobs(records, store.datasets_of_plans())
    ready = _open_data(known.values(), data_dir, cores)
    known = {job_id: job for job_id, job in known.items() if _is_ready(job, ready)}
    if not known:
        raise StoreError(
            f"Expected a run in {out} that this code and the data files here can repeat, but there "
            "is none: see above."
        )
    again = Store(_folder_of(out))
    chosen = _with_changed_code(records, known)
    drawn = draw(chosen, number, seed, again.job_ids())
    planned = with_required([known[job_id] for job_id in sorted(drawn)])
    console.print(
        f"Trained again (draw {seed}): {len(planned)} of {counted(len(records), 'run')}, of "
        f"{counted(len({label_of(record) for record in chosen.values()}), 'method')}."
    )
    done = _train(again, planned, records, ready, jobs)
    found = {job.job_id: _compared(store, again, records[job.job_id]) for job in done}
    differing = _say(planned, found)
    _renew(store, records, known, found, {label_of(records[job.job_id]) for job in differing})
    if differing:
        show_failures(again, planned)
        console.print(f"The runs that were trained again are in {again.root}.")
    else:
        again.remove()
    return 1 if differing else 0


def _folder_of(out: Path) -> Path:
    """Where runs of the results folder `out` are trained again, so that an interrupt loses none.

    It is in the cache: a results folder may come from a stranger, whose runs would confirm
    themselves.
    """
    name = hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:16]
    return default_folder() / f"repeat-{name}"


def _known_jobs(records: Mapping[str, Json], datasets: Mapping[str, str]) -> dict[str, Job]:
    """The jobs of `records` by id; a run that this code cannot train again is named and left out.

    `datasets` is label of a data set to what the command line calls it.
    """
    jobs = {}
    for job_id, record in records.items():
        try:
            jobs[job_id] = job_of(record, records, datasets)
        except StoreError as error:
            warn(str(error))
    return jobs


def _open_data(jobs: Iterable[Job], data_dir: Path | None, cores: int) -> dict[str, Ready]:
    """The data sets of `jobs` by label; one that is not here is named and left out.

    So are samples that are not those of a run, as where a file was edited since.
    """
    parts: dict[str, dict[str, Part]] = {}
    for job in jobs:
        parts.setdefault(job.dataset.label, {})[job.content_sha256] = job.dataset
    ready = {}
    for label, by_content in sorted(parts.items()):
        try:
            ready[label] = prepare_dataset(
                next(iter(by_content.values())), data_dir, default_folder(), cores
            )
        except DataError as error:
            warn(f"Runs on {label} are not repeated: {error}")
            continue
        got = ready[label].prepared.content_sha256
        if others := sorted(content[:12] for content in by_content if content != got):
            warn(
                f"Runs on {label} are not repeated where they were made from other samples "
                f"({', '.join(others)}) than its file has now ({got[:12]}). Name the folder of the "
                "right file with --data-dir."
            )
    return ready


def _is_ready(job: Job, ready: Mapping[str, Ready]) -> bool:
    """Whether the samples of `job` are here."""
    item = ready.get(job.dataset.label)
    return item is not None and item.prepared.content_sha256 == job.content_sha256


def _train(
    again: Store,
    planned: list[Job],
    records: Mapping[str, Json],
    ready: Mapping[str, Ready],
    jobs: int,
) -> list[Job]:
    """Train those of `planned` that `again` lacks, and give those that are done."""
    on_gpu = torch.cuda.is_available() and not _all_on_cpu(planned, records)
    settings = Settings(jobs=jobs, device="cuda" if on_gpu else "cpu")
    place = place_of(settings)
    executor = make_executor(settings, place, again.root)
    again.require_writable()
    again.tidy()
    cache = default_folder()
    hashes = make_splits(planned, ready, cache, jobs or default_jobs())
    planned = [job for job in planned if split_of_job(job) in hashes]
    for job in planned:
        expected = records[job.job_id]["data"]["split_hash"]
        got = hashes[split_of_job(job)]
        if got != expected:
            raise StoreError(
                f"Expected the split {expected[:12]} of {job.describe()}, but this code makes "
                f"{got[:12]}: the code of the split or the order of samples has changed."
            )
    samples = {label: len(item.prepared) for label, item in ready.items()}
    policy = Policy()
    left = run_jobs(
        planned,
        read_stored(again.records(), planned, samples, policy),
        asked=len(planned),
        ready=ready,
        hashes=hashes,
        store=again,
        executor=executor,
        settings=settings,
        place=place,
        policy=policy,
    )
    return [job for job in planned if job not in left]


def _all_on_cpu(planned: list[Job], records: Mapping[str, Json]) -> bool:
    return all(records[job.job_id]["provenance"]["device"] == "cpu" for job in planned)


def _compared(store: Store, again: Store, record: Json) -> Comparison:
    job_id = record["job_id"]
    repeated = again.read(job_id)
    assert repeated is not None  # asked before
    read = Store.predictions if store.has_predictions(job_id) else Store.decisions
    return compare(record, repeated, read(store, job_id), read(again, job_id))


def _say(planned: list[Job], found: Mapping[str, Comparison]) -> list[Job]:
    """Print what came of each run, and give those that failed or differ."""
    differing = []
    for job in planned:
        comparison = found.get(job.job_id)
        if comparison is None:
            differing.append(job)
            warn(f"{job.describe()}: could not be trained again")
        elif comparison.verdict is None:
            differing.append(job)
            warn(
                f"{job.describe()}: differs in {', '.join(comparison.differences)}; balanced "
                f"accuracy {100 * comparison.difference:+.2f} points, standard error "
                f"{100 * comparison.standard_error:.2f}"
            )
        else:
            console.print(f"{job.describe()}: equal {comparison.verdict}")
    verdicts = [comparison.verdict for comparison in found.values()]
    exact = verdicts.count(BIT_FOR_BIT)
    near = len(planned) - len(differing) - exact
    console.print(
        f"{counted(len(planned), 'run')} trained again: {exact} equal bit for bit"
        + (f", {near} within {BOUND} standard errors on another machine" if near else "")
        + f", {len(differing)} different or failed."
    )
    return differing


def _renew(
    store: Store,
    records: Mapping[str, Json],
    known: Mapping[str, Job],
    found: Mapping[str, Comparison],
    differing: set[str],
) -> None:
    """Let stored runs of which enough was confirmed count as made by the present code.

    These are runs of a method all of whose drawn runs are equal, as are those of the methods that
    it depends on, on a data set, split and encoder of which an equal run was drawn.
    """
    equal = {job_id for job_id, comparison in found.items() if comparison.verdict is not None}
    exact = all(found[job_id].verdict == BIT_FOR_BIT for job_id in equal)
    methods = {label_of(records[job_id]) for job_id in equal} - differing
    confirmed = {part for job_id in equal for part in components(records[job_id])}
    renewed = left = replaced = 0
    for job_id, job in known.items():
        now = sources_of_job(job)
        if changed_files(records[job_id], now) == ():
            continue
        if not _labels_of(job, records) <= methods or not components(records[job_id]) <= confirmed:
            left += 1
            continue
        how = {"equal": BIT_FOR_BIT if exact else WITHIN, **processor()}
        if store.renew({**records[job_id], "sources": now, "confirmed": how}):
            renewed += 1
        else:
            replaced += 1
    console.print(f"{renewed} stored runs now count as made by the present code.")
    if left:
        warn(
            f"{left} do not: a run of their method came out different, or none on their data set, "
            "split or encoder was drawn."
        )
    if replaced:
        warn(f"{replaced} were replaced meanwhile by another command and are left as they are.")


def _labels_of(job: Job, records: Mapping[str, Json]) -> set[str]:
    """Its method and those that it depends on."""
    others = (_labels_of(needed, records) for needed in job.requires.values())
    return {label_of(records[job.job_id])}.union(*others)


def _with_changed_code(records: Mapping[str, Json], known: Mapping[str, Job]) -> dict[str, Json]:
    """The runs of methods whose code has changed since one of them; all where none has.

    With the runs that they depend on.
    """
    changed = {
        label_of(records[job_id])
        for job_id, job in known.items()
        if changed_files(records[job_id], sources_of_job(job)) != ()
    }
    jobs = [
        job for job_id, job in known.items() if not changed or label_of(records[job_id]) in changed
    ]
    return {job.job_id: records[job.job_id] for job in with_required(jobs)}
