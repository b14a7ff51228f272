"""Run tasks on this machine, each in a fresh process.

A process of its own means that memory, random state and a hard death of one run cannot touch
another. Processes are forked from a server that has imported torch, so a start costs milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from bench.sweep.worker import Outcome, Task, died, execute

OnEpoch = Callable[[str, Any], None]

# Imported once by the server from which runs are forked.
_PRELOAD = ["bench.sweep.worker", "bench.training.run"]


def default_jobs() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_local(
    tasks: Sequence[Task], *, jobs: int, on_epoch: OnEpoch | None = None
) -> Iterator[Outcome]:
    """Outcomes of `tasks` as they finish; one that builds on another starts after it.

    Parameters
    ----------
    tasks : sequence of Task
        What is built on before what builds on it.
    jobs : int
        Runs side by side. With 1 everything runs in this process, which a debugger can follow.
    on_epoch : callable, optional
        Called in this process with the job id and the epoch report after each epoch of any run.
    """
    if jobs <= 1:
        for task in tasks:
            yield execute(task, on_epoch)
        return
    context = _context()
    waiting = list(tasks)
    running: dict[Connection, tuple[BaseProcess, Task]] = {}
    try:
        while waiting or running:
            unfinished = {task.job.job_id for task in waiting}
            unfinished |= {task.job.job_id for _, task in running.values()}
            while len(running) < jobs and (ready := _startable(waiting, unfinished)):
                task = ready[0]
                waiting.remove(task)
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_run, args=(task, sender), daemon=True)
                process.start()
                sender.close()
                running[receiver] = (process, task)
            for receiver in wait(list(running)):
                assert isinstance(receiver, Connection)
                process, task = running[receiver]
                message = _receive(receiver)
                if message is None or isinstance(message, Outcome):
                    process.join()
                    receiver.close()
                    del running[receiver]
                    yield message or _died(task, process.exitcode)
                elif on_epoch is not None:
                    on_epoch(*message)
    finally:
        for receiver, (process, _) in running.items():
            process.terminate()
            process.join()
            receiver.close()


def _startable(waiting: Sequence[Task], unfinished: set[str]) -> list[Task]:
    """The tasks whose required runs are all finished, well or not."""
    return [
        task
        for task in waiting
        if not any(needed.job_id in unfinished for needed in task.job.requires.values())
    ]


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return context


def _run(task: Task, sender: Connection) -> None:
    """What a process does: one task, its epochs and its outcome sent home."""
    # An interrupt is the main process's to handle: it stops its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def send(message: Any) -> None:
        try:
            sender.send(message)
        except OSError:
            os._exit(1)  # nobody is listening any more

    send(execute(task, lambda job_id, report: send((job_id, report))))


def _receive(receiver: Connection) -> Any:
    """The next message, or None when the process is gone."""
    try:
        return receiver.recv()
    except (EOFError, OSError):
        return None


def _died(task: Task, exit_code: int | None) -> Outcome:
    """Write down a run whose process ended without a word."""
    reason = f"the process of the run ended with exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-exit_code, f"signal {-exit_code}")
        reason = f"the process of the run was ended by {name}"
        if exit_code == -signal.SIGKILL:
            reason += "; when memory runs out, the system does this"
    return died(task, reason)
