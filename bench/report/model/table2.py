"""From a plan and its records to the model of Table 2."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.errors import StoreError
from bench.metrics import matrix_of_record
from bench.report.model import measures
from bench.report.model.cells import (
    EARLIER_CODE,
    GROUPS,
    BestSet,
    Cell,
    Column,
    Result,
    Row,
    Run,
    Table,
    with_shown,
)
from bench.report.model.check import check_plan, check_records
from bench.report.model.measures import Measure
from bench.report.model.published import comparable, published
from bench.report.model.registered import own_epochs
from bench.spec import label_and_encoder, label_and_fold

Json = Mapping[str, Any]


def table2(
    plan: Json,
    records: Sequence[Json],
    failures: Mapping[str, Json],
    leaders: Mapping[tuple[str, str, str], BestSet] | None = None,
    shown: tuple[Measure, ...] = measures.MAIN,
    required: Sequence[Json] = (),
) -> Table:
    """The table of a sweep, in the order of the paper.

    A pure function: the same plan, records and failures give the same table, in whatever order
    jobs and records come.

    Parameters
    ----------
    plan : mapping
        ``schema``, ``settings`` and ``jobs`` of a sweep.
    records : sequence of mapping
        Complete runs of that plan.
    failures : mapping
        Job id to ``reason`` and ``error``; a record of the same job outranks it.
    leaders : mapping, optional
        From :func:`bench.report.model.best_sets.best_sets`, as records alone have no
        predictions. Without it the highest mean of a column is bold.
    shown : tuple of Measure
        The columns of each data set.
    required : sequence of mapping
        Complete runs outside the plan that `records` depend on.

    Raises
    ------
    StoreError
        The records cannot stand in one table, see :func:`bench.report.model.check.check_records`.
    """
    try:
        check_plan(plan)
        check_records(plan, records, failures)
        return replace(
            _build(plan, records, failures, shown),
            leaders=leaders,
            required={record["job_id"]: _result(record) for record in required},
        )
    except KeyError as error:
        raise StoreError(
            f"Expected the key {error} in the plan, every record and every failure, but one has "
            "none. It was written by another version: run that job again."
        ) from error


def _build(
    plan: Json,
    records: Sequence[Json],
    failures: Mapping[str, Json],
    shown: tuple[Measure, ...],
) -> Table:
    jobs = plan["jobs"]
    columns = _columns(jobs)
    rows = _rows(jobs)
    splits = _splits(jobs)
    results = {record["job_id"]: _result(record) for record in records}
    split_place = {split: place for place, split in enumerate(splits)}
    column_place = {column.label: place for place, column in enumerate(columns)}
    row_place = {row.label: place for place, row in enumerate(rows)}
    folds = _folds(jobs)
    runs = sorted(
        (_run(job, folds, results, failures) for job in jobs),
        key=lambda run: (
            split_place[run.split],
            column_place[run.dataset],
            row_place[run.method],
            run.replicate,
        ),
    )
    names = {column.label: column.name for column in columns}
    planned: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        planned[run.split, run.dataset, run.method].append(run)
    return Table(
        settings=plan["settings"],
        splits=splits,
        columns=columns,
        rows=rows,
        runs=tuple(runs),
        cells={
            (*key, measure.name): _cell(plan, names[key[1]], key, measure, of_cell)
            for key, of_cell in planned.items()
            for measure in with_shown(shown)
        },
        shown=shown,
    )


def _splits(jobs: Sequence[Json]) -> tuple[str, ...]:
    folds = _folds(jobs)
    names = {folds[job["split_label"]][0]: job["split"] for job in jobs}
    return tuple(sorted(names, key=lambda label: _place(published().splits, names[label], label)))


def _folds(jobs: Sequence[Json]) -> dict[str, tuple[str, int | None]]:
    """What the table calls each split, and its fold, where several folds are pooled."""
    found = {job["split_label"]: label_and_fold(job["split_label"]) for job in jobs}
    several = Counter(label for label, fold in found.values() if fold is not None)
    return {
        planned: (label, fold) if several[label] > 1 else (planned, None)
        for planned, (label, fold) in found.items()
    }


def _columns(jobs: Sequence[Json]) -> tuple[Column, ...]:
    columns = {Column(job["dataset_label"], job["dataset"]) for job in jobs}
    return tuple(
        sorted(
            columns,
            key=lambda column: _place(published().datasets, column.name, column.label),
        )
    )


def _rows(jobs: Sequence[Json]) -> tuple[Row, ...]:
    """The paper's rows in its order, each followed by its variants; then the other groups."""
    facts: dict[str, tuple[str, str, str]] = {}
    for job in jobs:
        own = (job["method"], job["title"], job["group"])
        if facts.setdefault(job["method_label"], own) != own:
            raise StoreError(
                f"Expected one name, title and group of the method {job['method_label']!r} in the "
                f"plan, but got {facts[job['method_label']]} and {own}. Plan the sweep again."
            )
    shared = Counter(title for _, title, _ in facts.values())
    earlier = {job["method_label"] for job in jobs if "changed" in job}
    encoders = {job["method_label"]: job.get("backbone", "") for job in jobs}
    rows = [
        Row(
            label,
            name,
            (title if shared[title] == 1 else f"{title} ({label})")
            + f" ({EARLIER_CODE})" * (label in earlier),
            group,
            encoders[label],
        )
        for label, (name, title, group) in facts.items()
    ]
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                _place(list(GROUPS), row.group, row.group),
                _place(published().methods, row.name, row.label),
            ),
        )
    )


def _place(order: Sequence[str], name: str, label: str) -> tuple[int, str, bool, str]:
    """Sort key: names as they stand in `order`, then others by the alphabet.

    Labels of the same name follow each other, the one without options first.
    """
    return order.index(name) if name in order else len(order), name, label != name, label


def _run(
    job: Json,
    folds: Mapping[str, tuple[str, int | None]],
    results: Mapping[str, Result],
    failures: Mapping[str, Json],
) -> Run:
    result = results.get(job["job_id"])
    failure = failures.get(job["job_id"]) if result is None else None
    return Run(
        job_id=job["job_id"],
        dataset=job["dataset_label"],
        split=folds[job["split_label"]][0],
        method=job["method_label"],
        seed=job["seed"],
        result=result,
        reason=None if failure is None else " ".join(str(failure["reason"]).split()),
        changed=tuple(job["changed"]) if "changed" in job else None,
        fold=folds[job["split_label"]][1],
    )


def _result(record: Json) -> Result:
    data, training, selection = record["data"], record["job"]["training"], record["selection"]
    matrix = matrix_of_record(record["confusion"])
    return Result(
        metrics={name: _finite(value) for name, value in record["metrics"].items()},
        selected_epoch=selection["epoch"],
        valid_balanced_accuracy=_finite(selection["valid_balanced_accuracy"]),
        epochs=own_epochs(record["job"]["method"]) or training["epochs"],
        batch_size=training["batch_size"],
        seconds=record["time"]["seconds"],
        parameters=record["parameters"],
        device=record["provenance"]["device"],
        data_file=data["file"],
        data_sha256=data["sha256"],
        samples=data["samples"],
        unusable=data["unusable"],
        split_options=record["job"]["split"]["options"],
        parts=(sum(data["train_counts"]), sum(data["valid_counts"]), sum(data["test_counts"])),
        train_counts=tuple(data["train_counts"]),
        tested=tuple(data["test_counts"]),
        right=tuple(np.diag(matrix).tolist()),
        split_hash=data["split_hash"],
        requires=tuple(record["job"]["requires"].values()),
        sources=record.get("sources", {}),
        torch=record["provenance"]["packages"].get("torch"),
        class_names=tuple(data["class_names"]),
        predicted=tuple(matrix.sum(axis=0).tolist()),
        trained_epochs=len(record["history"]),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cell(
    plan: Json, name: str, key: tuple[str, str, str], measure: Measure, runs: Sequence[Run]
) -> Cell:
    values = {}
    for run in runs:
        value = run.result.metrics.get(measure.name) if run.result is not None else None
        if value is not None:
            values[run.replicate] = measure.printed(value)
    split, dataset, method = key
    figure = None
    if comparable(plan["settings"], dataset=name, dataset_label=dataset, method_label=method):
        # Labels of split and method, not names: the paper printed no figure for other options.
        plain, _ = label_and_encoder(method)
        figure = published().figures.get((split, plain, name, measure.name))
    return Cell(measure, tuple(runs), values, figure)
