"""What runs cost together with the runs that they depend on."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from bench.report.model.cells import Result, Run, Table

# Behind seconds of another machine.
ELSEWHERE = "*"


def seconds_with_required(table: Table) -> dict[str, float]:
    """Job id to wall-clock seconds, those of the runs it depends on included, each once.

    A run that depends on one whose record is not there is left out: what it cost is not known.
    """
    shown = {run.job_id: run.result for run in table.runs if run.result is not None}
    results = {**table.required, **shown}
    costs = {}
    for job_id in shown:
        together = with_required(job_id, results)
        if together <= results.keys():
            costs[job_id] = sum(results[one].seconds for one in sorted(together))
    return costs


def measured_elsewhere(table: Table) -> frozenset[str]:
    """Job ids of runs that were joined from another folder: their seconds are another machine's."""
    return frozenset(table.settings.get("joined", {}).get("runs", ()))


def mean_seconds(
    table: Table, runs: Iterable[Run], costs: Mapping[str, float]
) -> tuple[float | None, bool]:
    """What runs cost on average, and whether that is in part another machine's time.

    Parameters
    ----------
    costs : mapping
        From :func:`seconds_with_required`; None where those of no run are known.
    """
    known = [run.job_id for run in runs if run.job_id in costs]
    mean = statistics.fmean(costs[job_id] for job_id in known) if known else None
    return mean, not measured_elsewhere(table).isdisjoint(known)


def methods_built_on(table: Table) -> dict[str, list[str]]:
    """Method label to the labels of the methods whose runs its runs depend on, where there are any.

    Those of runs that are not in the table cannot be named and are called "others".
    """
    runs = {run.job_id: run for run in table.runs}
    found: dict[str, dict[str, None]] = {}
    for run in table.runs:
        for job_id in _direct(run):
            name = runs[job_id].method if job_id in runs else "others"
            found.setdefault(run.method, {})[name] = None
    return {method: list(names) for method, names in found.items()}


def _direct(run: Run) -> tuple[str, ...]:
    return () if run.result is None else run.result.requires


def with_required(job_id: str, results: Mapping[str, Result]) -> set[str]:
    """A run and all that it depends on, however far down."""
    together, waiting = set[str](), [job_id]
    while waiting:
        one = waiting.pop()
        if one not in together:
            together.add(one)
            waiting += results[one].requires if one in results else ()
    return together
