"""Write and print the tables of the last plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.commands.archive import open_results
from bench.commands.console import console
from bench.compliance.labels import LabelsOfSplits
from bench.compliance.predictions import violations_of_decisions, violations_of_predictions
from bench.compliance.rules import violations_of_shape
from bench.compliance.violation import Violation
from bench.report.model.cells import Table
from bench.report.model.check import check_records, refuse, violations_of_job
from bench.report.model.derived import with_figures
from bench.report.model.measures import MAIN, Measure
from bench.report.model.registered import violations_of_label, with_registered_names
from bench.report.model.table2 import table2
from bench.report.model.verdict import judged
from bench.report.writers.terminal import render_terminal
from bench.report.writers.write import write_report
from bench.sweep.local import default_jobs
from bench.sweep.store import Store

Bold = Literal["group", "best"]
Shown = tuple[Measure, ...]


def rebuild_report(
    out: Path,
    bold: Bold = "group",
    preset: str | None = None,
    to: Path | None = None,
    shown: Shown = MAIN,
    *,
    html: bool = False,
) -> int:
    """Rebuild the tables of the last benchmark in `out`; 1 when some of its runs are not done.

    With `preset` those of the last benchmark with that preset, and to the folder `to` if given,
    with the columns `shown`; with `html` the page ``report.html`` too.
    """
    store = open_results(out)
    plan = with_registered_names(store.read_plan(preset))
    return show_report(store, plan, bold, to, shown, html=html)


def show_report(
    store: Store,
    plan: Mapping[str, Any],
    bold: Bold = "group",
    to: Path | None = None,
    shown: Shown = MAIN,
    *,
    html: bool = False,
) -> int:
    """Write the tables of `plan`, print Table 2 and the files written.

    Bold is what is not significantly different from the best of a column (``group``), or the
    highest mean alone (``best``). Files go to `to`, or to the results folder. `shown` are the
    columns of each data set. With `html` the page ``report.html`` is written, too.

    Returns
    -------
    int
        0, or 1 when runs of the plan failed or are missing.

    Raises
    ------
    StoreError
        A record breaks a rule, or its stored predictions say otherwise.
    """
    table, records = checked_table(store, plan, bold, shown)
    paths = write_report(to or store.root, table)
    if html:
        # Drawing is imported only by who asks for it.
        from bench.report.figures.source import source_of_table
        from bench.report.html import write_page

        page = (to or store.root) / "report.html"
        source = source_of_table(table, records)
        write_page(page, source, store.decisions, folder=store.root, jobs=default_jobs())
        paths = [*paths, page]
    console.print(render_terminal(table))
    console.print("Written: " + ", ".join(str(path) for path in paths))
    return 0 if len(records) == len(plan["jobs"]) else 1


def checked_table(
    store: Store, plan: Mapping[str, Any], bold: Bold = "group", shown: Shown = MAIN
) -> tuple[Table, list[dict[str, Any]]]:
    """The table of `plan` and its records.

    Of records that are older than a figure of `shown`, it is computed where that can be done.

    Raises
    ------
    StoreError
        A record breaks a rule, or its stored predictions say otherwise.
    """
    records, failures = planned_records(store, plan)
    check_records(plan, records, failures)
    refuse_contradicted(store, records)
    table = judged_table(store, plan, records, failures, shown)
    return table if bold == "group" else replace(table, leaders=None), records


def judged_table(
    store: Store,
    plan: Mapping[str, Any],
    records: Sequence[dict[str, Any]],
    failures: Mapping[str, Mapping[str, Any]],
    shown: Shown = MAIN,
) -> Table:
    """The table of records that obey the rules, with what follows from it."""
    table = table2(
        plan,
        with_all_figures(store, records, shown),
        failures,
        shown=shown,
        required=_required(store, records),
    )
    return judged(table, store.decisions)


def _required(store: Store, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records that others depend on, however far down, and that are not among these."""
    known = {record["job_id"] for record in records}
    waiting = [job_id for record in records for job_id in record["job"]["requires"].values()]
    found = []
    while waiting:
        job_id = waiting.pop()
        if job_id in known:
            continue
        known.add(job_id)
        record = store.read(job_id)
        if record is not None and not list(violations_of_shape(record)):
            found.append(record)
            waiting += record["job"]["requires"].values()
    return found


def with_all_figures(
    store: Store, records: Sequence[dict[str, Any]], shown: Shown
) -> list[dict[str, Any]]:
    """Records, which obey the rules, with those figures that are `shown` and not in them."""

    def predictions(job_id: str) -> Mapping[str, np.ndarray] | None:
        return store.predictions(job_id) if store.has_predictions(job_id) else None

    return [
        with_figures(record, shown, partial(predictions, record["job_id"])) for record in records
    ]


def refuse_contradicted(store: Store, records: Iterable[Mapping[str, Any]]) -> None:
    """Refuse records, which keep the other rules, whose stored predictions say otherwise.

    Raises
    ------
    StoreError
        Names each.
    """
    refuse([violation for record in records for violation in violations_of_stored(store, record)])


def violations_of_stored(
    store: Store, record: Mapping[str, Any], labels: LabelsOfSplits | None = None
) -> list[Violation]:
    """Violations of a record by what is stored beside it: all scores, or predicted labels alone.

    Where there are none, its labels are added to `labels`.
    """
    job_id = record["job_id"]
    if store.has_predictions(job_id):
        arrays = store.predictions(job_id)
        found = list(violations_of_predictions(record, arrays))
    else:
        arrays = store.decisions(job_id)
        found = list(violations_of_decisions(record, arrays))
    if labels is not None and not found:
        labels.add(record, arrays)
    return found


def planned_records(
    store: Store, plan: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """The records of a plan's finished runs under its labels, and its failures by job id.

    Raises
    ------
    StoreError
        A record has not the shape of one, or is of another run than its job.
    """
    records, failures, violations = examine_planned(store, plan)
    refuse(violations)
    return records, failures


def examine_planned(
    store: Store, plan: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]], list[Violation]]:
    """What :func:`planned_records` gives, and what it refuses, which is left out."""
    records, failures = [], {}
    violations: list[Violation] = []
    for job in plan["jobs"]:
        record = store.read(job["job_id"])
        # One that was to be replaced does not count, whatever came of that.
        if record is not None and record["checksum"] != job.get("replaces"):
            found = list(violations_of_shape(record)) or [
                *violations_of_job(plan, job, record),
                *violations_of_label(job, record),
            ]
            violations += found
            if not found:
                records.append(_as_planned(record, job))
        else:
            failure = store.why_failed(job["job_id"])
            if failure is not None:
                failures[job["job_id"]] = failure
    return records, failures, violations


def _as_planned(record: dict[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The record under the labels of this plan.

    The job id says that it is the same computation; an earlier plan may have called it otherwise,
    ``cb[beta=0.9999]`` for ``cb``, or a data file by another name.
    """
    labels = {kind: {"label": job[f"{kind}_label"]} for kind in ("dataset", "split", "method")}
    parts = {kind: {**record["job"][kind], **label} for kind, label in labels.items()}
    return {**record, "job": {**record["job"], **parts}}
