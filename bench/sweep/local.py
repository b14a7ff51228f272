"""Run tasks on this machine, each in a fresh process.

A process of its own means that memory, random state and a hard death of one run cannot touch
another. Processes are forked from a server that has imported torch, so a start costs milliseconds.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

import torch

from bench.backbone import BACKBONES
from bench.dataset import DATASETS
from bench.method import METHODS
from bench.split import SPLITS
from bench.sweep.executor import POLL_SECONDS, Executor, Watcher
from bench.sweep.fingerprint import registering_modules
from bench.sweep.signals import interrupts_ignored
from bench.sweep.worker import Outcome, Task, execute
from bench.training.run import peak_memory_bytes

# Imported once by the server from which runs are forked.
_PRELOAD = ["bench.sweep.compiler", "bench.sweep.worker", "bench.training.run"]

# What a run that is asked to stop gets to finish what it is writing.
_GRACE_SECONDS = 10.0
# What one gets to end that has told its outcome: all that counts is stored, and others wait.
_END_SECONDS = 1.0


def default_jobs() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class InProcess(Executor):
    """One task after the other in this process, which a debugger can follow.

    Nothing can stop a run from outside here or survive its hard death, and what a method does to
    the process reaches the runs after it. `gpu` is the number of the GPU for runs on CUDA; a
    negative one leaves the choice to torch.
    """

    def __init__(self, gpu: int = -1) -> None:
        super().__init__(side_by_side=1)
        self._gpu = gpu
        self._task: Task | None = None

    def start(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        [self._task] = tasks

    def wait(self, watcher: Watcher) -> list[Outcome]:
        assert self._task is not None
        watcher.started(self._task.job.job_id)
        # CUDA_VISIBLE_DEVICES is read no more once torch has counted the GPUs.
        with torch.cuda.device(self._gpu):
            return [execute(self._task, watcher.epoch)]

    def stop(self, task: Task) -> None:
        raise NotImplementedError("A run in this process cannot be stopped from outside.")

    def close(self) -> None:
        self._task = None


class Processes(Executor):
    """Tasks side by side, each in a process of its own.

    `gpus` is what ``CUDA_VISIBLE_DEVICES`` shall be for each that runs at a time, if anything.
    """

    def __init__(
        self, side_by_side: int, max_minutes: float | None = None, gpus: Sequence[str] = ()
    ) -> None:
        super().__init__(side_by_side, max_minutes)
        self._running: dict[Connection, tuple[BaseProcess, Task, str | None]] = {}
        self._free_gpus = list(gpus)

    def open(self) -> None:
        if _context().get_start_method() != "forkserver":
            return
        # The server is deaf to interrupts from the terminal while it imports, too: they are this
        # process's to handle.
        with interrupts_ignored():
            forkserver.ensure_running()

    def start(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        context = _context()
        for task in tasks:
            receiver, sender = context.Pipe(duplex=False)
            gpu = self._free_gpus.pop(0) if self._free_gpus else None
            arguments = (task, sender, gpu, registering_modules(task.job))
            process = context.Process(target=_run, args=arguments, daemon=True)
            with _main_unseen():
                process.start()
            sender.close()
            self._running[receiver] = (process, task, gpu)
            watcher.started(task.job.job_id)

    def wait(self, watcher: Watcher) -> list[Outcome]:
        ended = []
        for receiver in wait(list(self._running), POLL_SECONDS):
            assert isinstance(receiver, Connection)
            process, task, _ = self._running[receiver]
            message = _receive(receiver)
            if message is None or isinstance(message, Outcome):
                self._end(receiver)
                ended.append(message or _died(task, process.exitcode))
            else:
                job_id, report, self.peak_memory[job_id] = message
                watcher.epoch(job_id, report)
        return ended

    def stop(self, task: Task) -> None:
        for receiver, (process, running, _) in tuple(self._running.items()):
            if running is task:
                process.kill()  # whatever it hangs in
                self._end(receiver)

    def _end(self, receiver: Connection) -> None:
        process, _, gpu = self._running.pop(receiver)
        process.join(_END_SECONDS)
        process.kill()  # what a plug-in left running in it, such as a thread, keeps it from ending
        process.join()
        receiver.close()
        if gpu is not None:
            self._free_gpus.append(gpu)

    def close(self) -> None:
        processes = [process for process, _, _ in self._running.values()]
        try:
            for process in processes:
                process.terminate()
            for process in processes:
                process.join(_GRACE_SECONDS)
        finally:  # a second interrupt ends the patience
            for process in processes:
                process.kill()
                process.join()
            for receiver in self._running:
                receiver.close()
            self._running.clear()


@contextmanager
def _main_unseen() -> Iterator[None]:
    """A process that is started in the block does not run the main script again.

    A script of the user's that calls the benchmark would call it once more in each run. Only one
    that registers plug-ins is needed there, and must hide its calls under
    ``if __name__ == "__main__"``.
    """
    registries = (METHODS, DATASETS, SPLITS, BACKBONES)
    if any("__main__" in entry.modules for registry in registries for entry in registry):
        yield
        return
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return context


def _run(
    task: Task, sender: Connection, gpu: str | None = None, plugins: Collection[str] = ()
) -> None:
    """What a process does: one task, its epochs and its outcome sent home.

    `plugins` are the modules of its plug-ins. With them imported the others are not looked for,
    which takes longer than a short run trains.
    """
    if gpu is not None:  # CUDA reads it when it is first used, which is later
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    # An interrupt is the main process's to handle: it stops its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for module in sorted(plugins):
        with suppress(Exception):  # what is missing is looked for, and its reason told, later
            importlib.import_module(module)

    def send(message: Any) -> None:
        try:
            sender.send(message)
        except OSError:
            os._exit(1)  # nobody is listening any more

    send(execute(task, lambda job_id, report: send((job_id, report, peak_memory_bytes()))))


def _end_with_parent() -> None:
    """End this process when the main process is gone, even if it was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _receive(receiver: Connection) -> Any:
    """The next message, or None when the process is gone."""
    try:
        return receiver.recv()
    except (EOFError, OSError):
        return None


def _died(task: Task, exit_code: int | None) -> Outcome:
    """The outcome of a run whose process ended without a word."""
    reason = f"the process of the run ended with exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-exit_code, f"signal {-exit_code}")
        reason = f"the process of the run was ended by {name}"
        if exit_code == -signal.SIGKILL:
            reason += "; when memory runs out, the system does this"
    return Outcome(task.job.job_id, reason, "died")
