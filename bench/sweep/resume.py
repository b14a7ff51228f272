"""What a start of a sweep finds of its jobs, and what it does about each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.sweep.fingerprint import sources_of_job
from bench.sweep.plan import Job
from bench.sweep.policy import Policy
from bench.sweep.store import Store


@dataclass
class ResumePlan:
    """Jobs by what is done about them.

    Attributes
    ----------
    attempts : dict of str to int
        The jobs to do, by id, with the number of failed attempts before.
    changed, resumed, again, retried, new : list of Job
        The jobs to do: done before by other code, from a checkpoint, done before but needed with
        their weights, again after a failure, from the start.
    given_up : list of Job
        Jobs that failed too often, and those that depend on one of them.
    """

    attempts: dict[str, int] = field(default_factory=dict)
    changed: list[Job] = field(default_factory=list)
    resumed: list[Job] = field(default_factory=list)
    again: list[Job] = field(default_factory=list)
    retried: list[Job] = field(default_factory=list)
    new: list[Job] = field(default_factory=list)
    given_up: list[Job] = field(default_factory=list)

    def kinds(self) -> str:
        """What the jobs to do are, for people."""
        counts = (
            (len(self.changed), "again as their code has changed"),
            (len(self.resumed), "from a checkpoint"),
            (len(self.again), "to do again for their weights"),
            (len(self.retried), "again after a failure"),
            (len(self.new), "from the start"),
        )
        return ", ".join(f"{count} {kind}" for count, kind in counts if count)


def triage_jobs(
    jobs: Sequence[Job],
    done: Collection[str],
    changed: Collection[str],
    store: Store,
    policy: Policy,
) -> ResumePlan:
    """What to do about each of `jobs` that is not `done`, or that is and lacks weights needed.

    Parameters
    ----------
    jobs : sequence of Job
        What is depended on before what depends on it.
    done : collection of str
        Ids of the jobs whose records are stored and count.
    changed : collection of str
        Ids of those whose records are stored and do not count, as other code made them.
    store : Store
    policy : Policy
    """
    load = ResumePlan()
    left: set[str] = set()
    attempts = {job.job_id: failed_attempts(job, store.read_failure(job.job_id)) for job in jobs}
    given_up = {
        job_id
        for job_id, count in attempts.items()
        if count >= policy.attempts and not policy.retry_failed
    }
    again = done_without_weights([job for job in jobs if job.job_id not in given_up], done, store)
    for job in jobs:
        if job.job_id in done and job.job_id not in again:
            continue
        if job.job_id in given_up or any(n.job_id in left for n in job.requires.values()):
            left.add(job.job_id)
            load.given_up.append(job)
            continue
        load.attempts[job.job_id] = attempts[job.job_id]
        if job.job_id in changed:
            load.changed.append(job)
        elif store.checkpoint(job.job_id).exists():
            load.resumed.append(job)
        elif job.job_id in again:
            load.again.append(job)
        elif attempts[job.job_id]:
            load.retried.append(job)
        else:
            load.new.append(job)
    return load


def failed_attempts(job: Job, failure: Mapping[str, Any] | None) -> int:
    """Attempts at `job` that failed with the code that it has now: a mended file starts anew."""
    if failure is None or failure.get("sources", now := sources_of_job(job)) != now:
        return 0
    return int(failure.get("attempts", 0))


def done_without_weights(jobs: Sequence[Job], done: Collection[str], store: Store) -> set[str]:
    """Ids of the jobs that are `done`, but without the weights that one to do depends on.

    A job of these is itself to do, with what it depends on.

    Parameters
    ----------
    jobs : sequence of Job
        What is depended on before what depends on it.
    done : collection of str
    store : Store
    """
    again: set[str] = set()
    for job in reversed(jobs):
        if job.job_id not in done or job.job_id in again:
            needed = {other.job_id for other in job.requires.values()}
            again |= {one for one in needed if one in done and not store.has_weights(one)}
    return again
