"""The contract of executors: where tasks run, and the one order in which all of them run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from bench.sweep.worker import Outcome, Task, died


class Watcher:
    """Hears of runs as they go on; this one keeps it to itself."""

    def started(self, job_id: str) -> None:
        """A run has begun, or begun anew after its process was lost."""

    def epoch(self, job_id: str, report: Any) -> None:
        """A run has done an epoch; `report` is a :class:`bench.training.loop.EpochReport`."""


class Executor(ABC):
    """Runs tasks somewhere. Where and how many side by side changes no result.

    A subclass says how a task starts and how it is heard of; which task may start is decided here,
    so that dependencies mean the same everywhere.

    Parameters
    ----------
    side_by_side : int or None
        Most tasks that are started and not ended at a time; None leaves it to the cluster's queue.
    """

    def __init__(self, side_by_side: int | None) -> None:
        self.side_by_side = side_by_side

    def run(self, tasks: Sequence[Task], watcher: Watcher | None = None) -> Iterator[Outcome]:
        """Outcomes of `tasks` as they end; one that builds on another starts after it.

        A task that builds on one that failed is not started: it fails with that reason. Closing
        the generator, as an interrupt does, stops what is running.

        Parameters
        ----------
        tasks : sequence of Task
            In any order. What they build on is among them or done before.
        watcher : Watcher, optional
            Called in this process.
        """
        if not tasks:
            return
        watcher = watcher or Watcher()
        waiting = {task.job.job_id: task for task in tasks}
        running: set[str] = set()
        failed: dict[str, str] = {}
        try:
            self.open()
            while waiting or running:
                ready = []
                for task in _startable(waiting, running):
                    reason = _lost(task, failed)
                    if reason is not None:
                        del waiting[task.job.job_id]
                        failed[task.job.job_id] = reason
                        yield died(task, reason)
                    else:
                        ready.append(task)
                if self.side_by_side is not None:
                    ready = ready[: self.side_by_side - len(running)]
                if ready:
                    for task in ready:
                        del waiting[task.job.job_id]
                        running.add(task.job.job_id)
                    self.start(ready, watcher)
                for outcome in self.wait(watcher) if running else ():
                    running.remove(outcome.job_id)
                    if outcome.error is not None:
                        failed[outcome.job_id] = outcome.error
                    yield outcome
        finally:
            self.close()

    def open(self) -> None:  # noqa: B027 (most have nothing to open)
        """Make ready, once, before the first task starts."""

    @abstractmethod
    def start(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        """Start `tasks` or put them into the cluster's queue, and return at once."""

    @abstractmethod
    def wait(self, watcher: Watcher) -> list[Outcome]:
        """Tell `watcher` what is new, and give the tasks that ended; waits a while for something.

        Every task that was started ends in one outcome, whatever happens to its process.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop what is running and let go of everything."""


def _startable(waiting: dict[str, Task], running: set[str]) -> list[Task]:
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
    """Why `task` cannot run, when a run it builds on has failed."""
    for needed in task.job.requires.values():
        if needed.job_id in failed:
            return f"The run it builds on, {needed.describe()}, failed: {failed[needed.job_id]}"
    return None
