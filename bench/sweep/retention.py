"""Which models a results folder keeps once a benchmark is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from bench.metrics.selection import validation_score
from bench.sweep.plan import Job

Keep = Literal["best", "all", "none"]
Json = Mapping[str, Any]


def models_to_forget(
    jobs: Sequence[Job], records: Iterable[Json], keep: Keep, trials: Sequence[Job] = ()
) -> list[str]:
    """Ids of the finished runs whose models may go.

    A model on which a run builds stays, be that run of these jobs or stored.

    Parameters
    ----------
    jobs : sequence of Job
        Those of the benchmark, with the ones that they depend on.
    records : iterable of mapping
        Of all finished runs in the folder.
    keep : {"best", "all", "none"}
        ``best``: of each data set, split, method and encoder the seed that is best on validation,
        of equal ones the first.
    trials : sequence of Job
        Those of a search for settings, with the ones that they depend on: they are no rows of the
        table, and none of them is a best one.
    """
    if keep == "all":
        return []
    found = {record["job_id"]: record for record in records}
    everything = (*jobs, *trials)
    done = {job.job_id: job for job in everything if job.job_id in found}
    needed = {other.job_id for job in everything for other in job.requires.values()}
    for record in found.values():
        needed |= set(record["job"]["requires"].values())
    if keep == "best":
        needed |= _best([job for job in jobs if job.job_id in found], found)
    return [job_id for job_id in done if job_id not in needed]


def _best(jobs: Sequence[Job], records: Mapping[str, Json]) -> set[str]:
    best: dict[tuple[str, ...], tuple[float, str]] = {}
    for job in jobs:
        # What distinguishes a row and column, whatever they are called.
        place = tuple(
            f"{part.name} {part.options.model_dump_json()}"
            for part in (job.dataset, job.split, job.method, *job.backbones.values())
        )
        place = (job.content_sha256, *place)
        score = validation_score(records[job.job_id]["selection"])
        if place not in best or score > best[place][0]:
            best[place] = (score, job.job_id)
    return {job_id for _, job_id in best.values()}
