"""Run tasks in processes of this machine."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Manager
from typing import Any

from bench.sweep.worker import Outcome, Task, execute

OnEpoch = Callable[[str, Any], None]


def default_jobs() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_local(
    tasks: Sequence[Task], *, jobs: int, on_epoch: OnEpoch | None = None
) -> Iterator[Outcome]:
    """Outcomes of `tasks` as they finish.

    Parameters
    ----------
    tasks : sequence of Task
    jobs : int
        Processes side by side; with 1, or a single task, everything runs in this process.
    on_epoch : callable, optional
        Called in this process with the job id and the epoch report after each epoch of any run.
    """
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        for task in tasks:
            yield execute(task, on_epoch)
        return
    from joblib import Parallel, delayed

    with _epoch_queue(on_epoch) as put:
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        yield from parallel(delayed(execute)(task, put) for task in tasks)


class _Put:
    """Sends epoch reports to the main process; picklable, unlike a bound queue method."""

    def __init__(self, reports: Any) -> None:
        self._reports = reports

    def __call__(self, job_id: str, report: Any) -> None:
        self._reports.put((job_id, report))


@contextmanager
def _epoch_queue(on_epoch: OnEpoch | None) -> Iterator[OnEpoch | None]:
    if on_epoch is None:
        yield None
        return
    with Manager() as manager:
        reports: queue.Queue[Any] = manager.Queue()

        def drain() -> None:
            while (item := reports.get()) is not None:
                on_epoch(*item)

        thread = threading.Thread(target=drain, daemon=True)
        thread.start()
        try:
            yield _Put(reports)
        finally:
            reports.put(None)
            thread.join(timeout=5)
