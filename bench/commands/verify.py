"""Check every stored run against the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.commands.archive import open_results
from bench.commands.console import console
from bench.commands.progress import LiveStep
from bench.commands.report import examine_planned, violations_of_stored
from bench.compliance.history import violations_of_history
from bench.compliance.identity import violations_of_identity
from bench.compliance.labels import LabelsOfSplits
from bench.compliance.records import violations_of_records
from bench.compliance.violation import Violation
from bench.errors import StoreError
from bench.report.document.numbers import counted
from bench.report.model.check import check_plan, record_violations
from bench.report.model.registered import violations_of_names
from bench.sweep.fingerprint import changed_files, changes_in_words, sources_of_job
from bench.sweep.store import Store
from bench.sweep.stored_jobs import job_of


def verify_results(out: Path) -> int:
    """Check all runs in `out`, of whatever plan, and those of each plan that is kept together.

    Kept are the last plan and the last one of each preset. Runs on one split have its labels in
    whatever plan they are.

    Returns
    -------
    int
        0 when every rule is kept, 1 when not; each violation is printed.

    Raises
    ------
    StoreError
        There is nothing to check.
    """
    store = open_results(out)
    job_ids = store.job_ids()
    if not job_ids:
        raise store.without_runs()
    violations: list[Violation] = []
    sound: set[str] = set()
    labels = LabelsOfSplits()
    with LiveStep("Checking runs") as step:
        for number, job_id in enumerate(job_ids, start=1):
            found = _violations_of(store, job_id, labels)
            violations += found
            if not found:
                sound.add(job_id)
            step.advance("Checking runs", number, len(job_ids))
    differing = labels.violations()
    violations += differing.values()
    sound -= differing.keys()
    for job_id in store.failure_ids():
        _, problem = store.examine_failure(job_id)
        if problem:
            violations.append(Violation("failure", f"run {job_id}", f"{problem}."))
    seen: list[dict[str, Any]] = []
    datasets: dict[str, str] = {}
    for preset in (None, *store.presets()):
        name = "the last plan" if preset is None else f"the plan of preset {preset}"
        try:
            plan = store.read_plan(preset)
            check_plan(plan)
        except StoreError as error:
            violations.append(Violation("plan", name, str(error)))
            continue
        if plan not in seen:
            seen.append(plan)
            datasets |= plan["settings"].get("datasets", {})
            found = _violations_of_plan(store, plan, name, sound)
            known = set(violations)
            violations += [violation for violation in found if violation not in known]
    for violation in violations:
        console.print(str(violation), style="red")
    console.print(
        f"{counted(len(job_ids), 'run')} checked, {len(sound)} keep every rule; "
        f"{counted(len(violations), 'violation')}."
    )
    _say_changed(store, sound, datasets)
    _say_not_recomputed(sum(not store.has_predictions(job_id) for job_id in sound))
    return 1 if violations else 0


def _violations_of_plan(
    store: Store, plan: dict[str, Any], name: str, sound: set[str]
) -> list[Violation]:
    records, failures, violations = examine_planned(store, plan)
    here = [record for record in records if record["job_id"] in sound]
    violations += [*record_violations(plan, here, failures), *violations_of_names(plan)]
    for record in here:
        violations += violations_of_identity(record)
    _say_plan(name, len(plan["jobs"]), len(records), len(failures))
    return violations


def _violations_of(store: Store, job_id: str, labels: LabelsOfSplits) -> list[Violation]:
    record, problem = store.examine(job_id)
    if problem:
        rule = "files" if problem.startswith("files") else "whole"
        return [Violation(rule, f"run {job_id}", f"{problem}.")]
    try:
        return violations_of_records([record]) or [
            *violations_of_stored(store, record, labels),
            *violations_of_history(record),
        ]
    except StoreError as error:
        return [Violation("files", f"run {job_id}", str(error))]


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
        f"{name[0].upper()}{name[1:]}: {counted(jobs, 'run')}, {done} done"
        + (f", {failed} failed" if failed else "")
        + (f", {missing} missing" if missing else "")
        + "."
    )
