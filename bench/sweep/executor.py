"""The contract of executors: where tasks run, and the one order in which all of them run."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from bench.sweep.fingerprint import changed_files, sources_of_job
from bench.sweep.leases import Leases
from bench.sweep.store import Store
from bench.sweep.worker import Outcome, Task, record_failure
from bench.tracking.listener import Listener

# Between two looks at runs that another sweep is at.
POLL_SECONDS = 0.5


# Executors tell of beginnings and epochs; who runs the tasks, how they end.
Watcher = Listener


class Executor(ABC):
    """Runs tasks somewhere. Where and how many side by side changes no result.

    A subclass says how a task starts and how it is heard of. Which task may start, which has had
    its time and what is written down of a run that ended without a word is decided here, so that
    it is the same everywhere.

    Parameters
    ----------
    side_by_side : int or None
        Most tasks that are started and not ended at a time; None leaves it to the cluster's queue.
    max_minutes : float, optional
        A run that takes longer is stopped, by an executor that can, and has timed out.

    Attributes
    ----------
    peak_memory : dict of str to int
        Bytes by job id, as last told by running tasks; what no subclass fills in is not known.
    """

    def __init__(self, side_by_side: int | None, max_minutes: float | None = None) -> None:
        self.side_by_side = side_by_side
        self.max_minutes = max_minutes
        self.peak_memory: dict[str, int] = {}

    def run(
        self, tasks: Sequence[Task], watcher: Watcher | None = None
    ) -> Generator[Outcome, None, None]:
        """Outcomes of `tasks` as they end; one that depends on another starts after it.

        A task that depends on one that failed is not started: it fails with that reason. One that
        another sweep is at waits for that sweep, and starts when it has left no record, one made
        by other code, or one without the model that a task of these needs. Closing
        the generator, as an interrupt does, stops what is running.

        Parameters
        ----------
        tasks : sequence of Task
            In any order, all of one results folder. What they depend on is among them or done.
        watcher : Watcher, optional
            Called in this process.
        """
        if not tasks:
            return
        heard = _ProgressListener(watcher or Watcher())
        store = Store(tasks[0].results_dir)
        leases = Leases(store.leases)
        waiting = {task.job.job_id: task for task in tasks}
        running: dict[str, Task] = {}
        failed: dict[str, str] = {}
        try:
            self.open()
            while waiting or running:
                ready, ended = self._next(waiting, running, failed, leases, store)
                if ready:
                    running.update((task.job.job_id, task) for task in ready)
                    self.start(ready, heard)
                for outcome in self._heard_of(running, heard):
                    task = running[outcome.job_id]
                    ended.append(self._written_down(task, outcome, store, heard))
                    del running[outcome.job_id]
                    leases.release(outcome.job_id)
                for outcome in ended:
                    if outcome.error is not None:
                        failed[outcome.job_id] = outcome.error
                    yield outcome
                if waiting and not running and not ended:
                    time.sleep(POLL_SECONDS)
        finally:
            try:
                self.close()
                for job_id in running.keys() & heard.begun.keys():
                    outcome = Outcome(job_id, "the sweep was interrupted", "interrupted")
                    self._written_down(running[job_id], outcome, store, heard)
            finally:
                leases.close()

    def _next(
        self,
        waiting: dict[str, Task],
        running: dict[str, Task],
        failed: dict[str, str],
        leases: Leases,
        store: Store,
    ) -> tuple[list[Task], list[Outcome]]:
        """Take from `waiting` what can start now, and what has ended without being started."""
        ready: list[Task] = []
        ended: list[Outcome] = []
        for task in _startable(waiting, running):
            job_id = task.job.job_id
            reason = _lost(task, failed)
            if reason is not None:
                del waiting[job_id]
                ended.append(Outcome(job_id, reason))
                record_failure(task, ended[-1], epochs=0, peak_memory_bytes=None, counted=False)
                continue
            if self.side_by_side is not None and len(running) + len(ready) >= self.side_by_side:
                continue
            if not leases.claim(job_id):
                continue
            del waiting[job_id]
            to_run = _to_run(task, waiting, store)
            if to_run is None:
                leases.release(job_id)
                ended.append(Outcome(job_id, elsewhere=True))
            else:
                ready.append(to_run)
        return ready, ended

    def _heard_of(self, running: dict[str, Task], heard: _ProgressListener) -> list[Outcome]:
        """How tasks ended, those included that have had their time and are stopped here."""
        if not running:
            return []
        ended = self.wait(heard)
        if self.max_minutes is None:
            return ended
        latest = time.monotonic() - 60 * self.max_minutes
        late = [job_id for job_id in running if heard.begun.get(job_id, latest) < latest]
        for job_id in sorted({*late} - {outcome.job_id for outcome in ended}):
            self.stop(running[job_id])
            reason = f"stopped after {self.max_minutes:g} minutes, the most a run may take"
            ended.append(Outcome(job_id, reason, "timed-out"))
        return ended

    def _written_down(
        self, task: Task, outcome: Outcome, store: Store, heard: _ProgressListener
    ) -> Outcome:
        """`outcome`, its failure stored from here where the run could not do it."""
        if outcome.error is None:
            return outcome
        job_id = outcome.job_id
        if store.is_done(job_id, task.replaces):  # it was stored, and then its process was lost
            return Outcome(job_id)
        failure = store.read_failure(job_id) or {}
        told = (failure.get("status"), failure.get("reason"), failure.get("attempts"))
        if told != (outcome.status, outcome.error, task.attempt):
            record_failure(
                task,
                outcome,
                epochs=heard.epochs.get(job_id, 0),
                peak_memory_bytes=self.peak_memory.get(job_id),
                counted=outcome.status != "interrupted",
            )
        return outcome

    def open(self) -> None:  # noqa: B027 (most have nothing to open)
        """Make ready, once, before the first task starts."""

    @abstractmethod
    def start(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        """Start `tasks` or put them into the cluster's queue, and return at once."""

    @abstractmethod
    def wait(self, watcher: Watcher) -> list[Outcome]:
        """Tell `watcher` what is new, and give the tasks that ended; waits a moment for something.

        Every task that was started and not stopped ends in one outcome, whatever happens to its
        process.
        """

    @abstractmethod
    def stop(self, task: Task) -> None:
        """End a running task from outside, whatever it is doing; it has no outcome any more."""

    @abstractmethod
    def close(self) -> None:
        """Stop what is running and let go of everything."""


class _ProgressListener(Watcher):
    """Passes on what it hears, and remembers since when runs go on and how far they have come."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.begun: dict[str, float] = {}
        self.epochs: dict[str, int] = {}

    def started(self, job_id: str) -> None:
        self.begun[job_id] = time.monotonic()
        self._watcher.started(job_id)

    def epoch(self, job_id: str, report: Any) -> None:
        self.begun.setdefault(job_id, time.monotonic())
        self.epochs[job_id] = report.epoch
        self._watcher.epoch(job_id, report)


def _to_run(task: Task, waiting: dict[str, Task], store: Store) -> Task | None:
    """`task` with what it replaces by now; None where another sweep has done it."""
    job = task.job
    record = store.read(job.job_id)
    if record is None or record["checksum"] == task.replaces:
        return task
    needed = {one.job_id for other in waiting.values() for one in other.job.requires.values()}
    whole = job.job_id not in needed or store.has_weights(job.job_id)
    if whole and (task.keep_changed or changed_files(record, sources_of_job(job)) == ()):
        return None
    return replace(task, replaces=record["checksum"])


def _startable(waiting: dict[str, Task], running: dict[str, Task]) -> list[Task]:
    """The tasks whose required runs have all ended, well or not."""
    return [
        task
        for task in waiting.values()
        if not any(
            needed.job_id in waiting or needed.job_id in running
            for needed in task.job.requires.values()
        )
    ]


def _lost(task: Task, failed: dict[str, str]) -> str | None:
    """Why `task` cannot run, when a run it depends on has failed."""
    for needed in task.job.requires.values():
        if needed.job_id in failed:
            return f"The run it depends on, {needed.describe()}, failed: {failed[needed.job_id]}"
    return None
