"""Check every stored run against the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.commands.archive import open_results
from bench.commands.console import console
from bench.commands.progress import LiveStep
from bench.commands.report import breaches_of_stored, examine_planned
from bench.compliance.breach import Breach
from bench.compliance.identity import breaches_of_identity
from bench.compliance.records import breaches_of_records
from bench.errors import StoreError
from bench.report.model.check import check_plan, record_breaches
from bench.report.model.registered import breaches_of_names
from bench.sweep.fingerprint import changed_files, changes_in_words, sources_of_job
from bench.sweep.store import Store
from bench.sweep.stored_jobs import job_of


def verify_results(out: Path) -> int:
    """Check all runs in `out`, of whatever plan, and those of each plan that is kept together.

    Kept are the last plan and the last one of each preset.

    Returns
    -------
    int
        0 when every rule is kept, 1 when not; each breach is printed.

    Raises
    ------
    StoreError
        There is nothing to check.
    """
    store = open_results(out)
    job_ids = store.job_ids()
    if not job_ids:
        raise store.without_runs()
    breaches: list[Breach] = []
    sound: set[str] = set()
    with LiveStep("Checking runs") as step:
        for number, job_id in enumerate(job_ids, start=1):
            found = _breaches_of(store, job_id)
            breaches += found
            if not found:
                sound.add(job_id)
            step.advance("Checking runs", number, len(job_ids))
    for job_id in store.failure_ids():
        _, problem = store.examine_failure(job_id)
        if problem:
            breaches.append(Breach("failure", f"run {job_id}", f"{problem}."))
    seen: list[dict[str, Any]] = []
    datasets: dict[str, str] = {}
    for preset in (None, *store.presets()):
        name = "the last plan" if preset is None else f"the plan of preset {preset}"
        try:
            plan = store.read_plan(preset)
        except StoreError as error:
            breaches.append(Breach("plan", name, str(error)))
            continue
        if plan not in seen:
            seen.append(plan)
            datasets |= plan["settings"].get("datasets", {})
            found = _breaches_of_plan(store, plan, name, sound)
            known = set(breaches)
            breaches += [breach for breach in found if breach not in known]
    for breach in breaches:
        console.print(str(breach), style="red")
    console.print(
        f"{len(job_ids)} runs checked, {len(sound)} keep every rule; "
        f"{len(breaches)} breach{'' if len(breaches) == 1 else 'es'}."
    )
    _say_changed(store, sound, datasets)
    _say_not_recomputed(sum(not store.has_predictions(job_id) for job_id in sound))
    return 1 if breaches else 0


def _breaches_of_plan(
    store: Store, plan: dict[str, Any], name: str, sound: set[str]
) -> list[Breach]:
    check_plan(plan)
    records, failures, breaches = examine_planned(store, plan)
    here = [record for record in records if record["job_id"] in sound]
    breaches += [*record_breaches(plan, here, failures), *breaches_of_names(plan)]
    for record in here:
        breaches += breaches_of_identity(record)
    _say_plan(name, len(plan["jobs"]), len(records), len(failures))
    return breaches


def _breaches_of(store: Store, job_id: str) -> list[Breach]:
    record, problem = store.examine(job_id)
    if problem:
        rule = "files" if problem.startswith("files") else "whole"
        return [Breach(rule, f"run {job_id}", f"{problem}.")]
    alone = breaches_of_records([record])
    return alone or breaches_of_stored(store, record)


def _say_changed(store: Store, sound: set[str], datasets: dict[str, str]) -> None:
    """Say which code has changed since runs were made; that breaks no rule."""
    records = {job_id: record for job_id in sorted(sound) if (record := store.read(job_id))}
    changes = []
    for record in records.values():
        try:
            job = job_of(record, records, datasets)
        except StoreError:  # of another version: no plan of this one asks for it
            continue
        changes.append(changed_files(record, sources_of_job(job)))
    for line in changes_in_words(changes):
        console.print(line)


def _say_not_recomputed(runs: int) -> None:
    if runs:
        console.print(
            f"Of {runs} of them, known from an archive by labels and predicted classes, the scores "
            "(AUROC, log loss, calibration) could not be recomputed."
        )


def _say_plan(name: str, jobs: int, done: int, failed: int) -> None:
    missing = jobs - done - failed
    console.print(
        f"{name[0].upper()}{name[1:]}: {jobs} run{'' if jobs == 1 else 's'}, {done} done"
        + (f", {failed} failed" if failed else "")
        + (f", {missing} missing" if missing else "")
        + "."
    )
