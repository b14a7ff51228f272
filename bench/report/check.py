"""What a report refuses: records that contradict the plan, each other or themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.errors import StoreError
from bench.metrics.confusion import balanced_f1s, mean_present, recalls

SCHEMA = 1
# Records hold full precision; only the order of a summation may differ.
_TOLERANCE = 1e-9

Json = Mapping[str, Any]


def check_plan(plan: Json) -> None:
    """Refuse a plan of another schema, or one in which a run stands twice.

    Raises
    ------
    StoreError
    """
    _check_schema(plan, "the plan")
    seen: dict[tuple[Any, ...], str] = {}
    ids: set[str] = set()
    for job in plan["jobs"]:
        key = (job["dataset_label"], job["split_label"], job["method_label"], job["seed"])
        if key in seen or job["job_id"] in ids:
            raise StoreError(
                f"Expected one job for each data set, split, method and seed, but got {_name(key)} "
                f"twice in the plan (jobs {seen.get(key, job['job_id'])} and {job['job_id']}). "
                "Plan it once."
            )
        seen[key] = job["job_id"]
        ids.add(job["job_id"])


def check_records(plan: Json, records: Sequence[Json], failures: Mapping[str, Json]) -> None:
    """Refuse records and failures that cannot stand in one table.

    Raises
    ------
    StoreError
        A record is of another schema, not complete, not planned, disagrees with its job or with
        its own confusion matrix; a seed of a cell stands twice; one data set was read from
        different files; one (data set, split, seed) was split differently; a failure is of a job
        that was not planned.
    """
    for record in records:
        _check_schema(record, f"the record of job {record.get('job_id')}")
        if record["status"] != "complete":
            raise StoreError(
                f"Expected only complete runs among the records, but job {record['job_id']} is "
                f"{record['status']!r}. Pass its reason among the failures."
            )
    _check_seeds(records)
    _check_planned(plan, records, failures)
    _check_equal(records, "data file (sha256)", _dataset_key, lambda r: r["data"]["sha256"])
    _check_equal(records, "split (hash)", _split_key, lambda r: r["data"]["split_hash"])
    for record in records:
        _check_figures(record)


def run_key(record: Json) -> tuple[str, str, str, int]:
    """(data set label, split, method label, seed) of a record."""
    job = record["job"]
    return job["dataset"]["label"], job["split"]["label"], job["method"]["label"], job["seed"]


def _dataset_key(record: Json) -> tuple[str]:
    return (run_key(record)[0],)


def _split_key(record: Json) -> tuple[str, str, str]:
    dataset, split, _, seed = run_key(record)
    return dataset, split, f"seed {seed}"


def _check_schema(document: Json, what: str) -> None:
    if document.get("schema") != SCHEMA:
        raise StoreError(
            f"Expected schema {SCHEMA} in {what}, but got {document.get('schema')!r}. "
            "Run the sweep again with this version, or report with the version that wrote it."
        )


def _check_seeds(records: Sequence[Json]) -> None:
    seen: dict[tuple[str, str, str, int], str] = {}
    for record in records:
        key = run_key(record)
        if key in seen:
            raise StoreError(
                f"Expected one record for each seed of a cell, but got two of {_name(key)}: jobs "
                f"{seen[key]} and {record['job_id']}. Report runs of one plan only."
            )
        seen[key] = record["job_id"]


def _check_planned(plan: Json, records: Sequence[Json], failures: Mapping[str, Json]) -> None:
    planned = {
        job["job_id"]: (job["dataset_label"], job["split_label"], job["method_label"], job["seed"])
        for job in plan["jobs"]
    }
    for job_id in [*(record["job_id"] for record in records), *failures]:
        if job_id not in planned:
            raise StoreError(
                f"Expected results of planned jobs only, but got job {job_id}. Report it with the "
                "plan it belongs to."
            )
    for record in records:
        key, expected = run_key(record), planned[record["job_id"]]
        if key != expected:
            raise StoreError(
                f"Expected the record of job {record['job_id']} to be {_name(expected)}, as "
                f"planned, but got {_name(key)}. Delete the record and run the job again."
            )


def _check_equal(records: Sequence[Json], what: str, key_of: Any, value_of: Any) -> None:
    first: dict[tuple[str, ...], Json] = {}
    for record in records:
        known = first.setdefault(key_of(record), record)
        if value_of(known) != value_of(record):
            raise StoreError(
                f"Expected one {what} for {_name(key_of(record))}, but got {value_of(known)} in "
                f"job {known['job_id']} and {value_of(record)} in job {record['job_id']}. Such "
                "runs cannot be compared: run one side again."
            )


def _check_figures(record: Json) -> None:
    where = f"the record of job {record['job_id']} ({_name(run_key(record))})"
    confusion = np.asarray(record["confusion"], dtype=np.int64)
    counts = list(record["data"]["test_counts"])
    if confusion.shape != (len(counts), len(counts)) or confusion.sum(axis=1).tolist() != counts:
        raise StoreError(
            f"Expected the rows of the confusion matrix to add up to the test counts {counts} in "
            f"{where}, but got {record['confusion']}. Delete the record and run the job again."
        )
    metrics = record["metrics"]
    accuracy, f1 = metrics["balanced_accuracy"], metrics["balanced_f1"]
    both_tested = len(counts) == 2 and all(counts)
    if both_tested and None not in (accuracy, f1) and f1 > accuracy + _TOLERANCE:
        raise StoreError(
            f"Expected balanced F1 to be at most balanced accuracy with two classes, but got "
            f"{f1} > {accuracy} in {where}. Delete the record and run the job again."
        )
    recomputed = {
        "balanced_accuracy": mean_present(recalls(confusion)),
        "balanced_f1": mean_present(balanced_f1s(confusion)),
    }
    for name, value in recomputed.items():
        recorded = float("nan") if metrics[name] is None else metrics[name]
        if not np.isclose(recorded, value, rtol=0, atol=_TOLERANCE, equal_nan=True):
            raise StoreError(
                f"Expected {name} = {value}, as its confusion matrix says, in {where}, but got "
                f"{metrics[name]}. Delete the record and run the job again."
            )


def _name(key: Sequence[Any]) -> str:
    return " / ".join(str(part) for part in key)
