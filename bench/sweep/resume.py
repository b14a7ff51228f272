"""What a start of a sweep finds of its jobs, and what it does about each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bench.sweep.plan import Job
from bench.sweep.policy import Policy
from bench.sweep.store import Store


@dataclass
class Workload:
    """Jobs by what is done about them.

    Attributes
    ----------
    attempts : dict of str to int
        The jobs to do, by id, with the number of failed attempts before.
    resumed, retried, new : list of Job
        The jobs to do: from a checkpoint, again after a failure, from the start.
    left : list of Job
        Jobs that failed too often, and those that build on one of them.
    """

    attempts: dict[str, int] = field(default_factory=dict)
    resumed: list[Job] = field(default_factory=list)
    retried: list[Job] = field(default_factory=list)
    new: list[Job] = field(default_factory=list)
    left: list[Job] = field(default_factory=list)

    def kinds(self) -> str:
        """What the jobs to do are, for people."""
        counts = (
            (len(self.resumed), "from a checkpoint"),
            (len(self.retried), "again after a failure"),
            (len(self.new), "from the start"),
        )
        return ", ".join(f"{count} {kind}" for count, kind in counts if count)


def sort_out(jobs: Sequence[Job], done: Collection[str], store: Store, policy: Policy) -> Workload:
    """What to do about each of `jobs` that is not `done`.

    Parameters
    ----------
    jobs : sequence of Job
        What is built on before what builds on it.
    done : collection of str
        Ids of the jobs whose records are stored.
    store : Store
    policy : Policy
    """
    load = Workload()
    left: set[str] = set()
    for job in jobs:
        if job.job_id in done:
            continue
        failure = store.read_failure(job.job_id) or {}
        attempts = failure.get("attempts", 0)
        given_up = attempts >= policy.attempts and not policy.retry_failed
        if given_up or any(needed.job_id in left for needed in job.requires.values()):
            left.add(job.job_id)
            load.left.append(job)
            continue
        load.attempts[job.job_id] = attempts
        if store.checkpoint(job.job_id).exists():
            load.resumed.append(job)
        elif attempts:
            load.retried.append(job)
        else:
            load.new.append(job)
    return load
