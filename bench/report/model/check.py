"""What a report refuses: records that break a rule, contradict the plan or each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.compliance.records import violations_of_records
from bench.compliance.rules import name_of
from bench.compliance.violation import Violation, listed
from bench.errors import StoreError

SCHEMA = 1

Json = Mapping[str, Any]


def check_plan(plan: Json) -> None:
    """Refuse a plan of another schema, or one in which a run stands twice.

    Raises
    ------
    StoreError
    """
    if plan.get("schema") != SCHEMA:
        raise StoreError(
            f"Expected schema {SCHEMA} in the plan, but got {plan.get('schema')!r}. "
            "Run the sweep again with this version, or report with the version that wrote it."
        )
    seen: dict[tuple[Any, ...], str] = {}
    ids: set[str] = set()
    for job in plan["jobs"]:
        key = _key_of(job)
        if key in seen or job["job_id"] in ids:
            raise StoreError(
                f"Expected one job for each data set, split, method and seed, but got "
                f"{' / '.join(map(str, key))} twice in the plan (jobs "
                f"{seen.get(key, job['job_id'])} and {job['job_id']}). Plan it once."
            )
        seen[key] = job["job_id"]
        ids.add(job["job_id"])


def check_records(plan: Json, records: Sequence[Json], failures: Mapping[str, Json]) -> None:
    """Refuse records and failures that cannot stand in one table.

    Raises
    ------
    StoreError
        Rules of ``bench/compliance/rules.yaml`` or :mod:`bench.compliance.arithmetic` are broken,
        or a record or failure is not what was planned; all of it is named.
    """
    refuse(record_violations(plan, records, failures))


def record_violations(
    plan: Json, records: Sequence[Json], failures: Mapping[str, Json]
) -> list[Violation]:
    """What :func:`check_records` refuses."""
    return [*violations_of_records(records), *_violations_of_plan(plan, records, failures)]


def _violations_of_plan(
    plan: Json, records: Sequence[Json], failures: Mapping[str, Json]
) -> list[Violation]:
    """Records and failures of jobs that were not planned, or planned as something else."""
    planned = {job["job_id"]: _key_of(job) for job in plan["jobs"]}
    found = [
        Violation("as planned", f"job {job_id}", "expected results of planned jobs only.")
        for job_id in failures
        if job_id not in planned
    ]
    for record in records:
        job_id = record.get("job_id")
        if job_id not in planned:
            found.append(
                Violation("as planned", name_of(record), "expected results of planned jobs only.")
            )
            continue
        expected = f"job {job_id} ({' / '.join(map(str, planned[job_id]))})"
        if name_of(record) != expected:
            found.append(Violation("as planned", name_of(record), f"expected {expected}."))
    return found


def violations_of_job(plan: Json, job: Json, record: Json) -> list[Violation]:
    """In what a stored record is not the run that a job of the plan asks for.

    Labels are left out: an earlier plan may have called the same run otherwise.

    Parameters
    ----------
    plan : mapping
    job : mapping
        One of the plan's.
    record : mapping
        Of right shape, as it is stored.
    """
    asked = record["job"]
    pairs = {
        **{kind: (job[kind], asked[kind]["name"]) for kind in ("dataset", "split", "method")},
        "seed": (job["seed"], asked["seed"]),
        "epochs": (plan["settings"]["epochs"], asked["training"]["epochs"]),
    }
    return [
        Violation("as planned", name_of(record), f"expected {name} {planned}, but got {got}.")
        for name, (planned, got) in pairs.items()
        if planned != got
    ]


def refuse(violations: Sequence[Violation]) -> None:
    """Raise when there is a violation.

    Raises
    ------
    StoreError
        Names each.
    """
    if violations:
        raise StoreError(
            f"Expected records that obey the rules, but found {len(violations)} "
            f"violation{'s' if len(violations) > 1 else ''}:\n{listed(violations)}\n"
            "Delete the folders of these runs and run the benchmark command again, or report each "
            "plan with its own --out."
        )


def _key_of(job: Json) -> tuple[Any, ...]:
    return job["dataset_label"], job["split_label"], job["method_label"], job["seed"]
