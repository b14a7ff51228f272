"""Runs on workers that may be other machines: what all kinds of cluster have in common.

Checkout, results, data and cache must be in folders that every worker sees under the same path. A
worker writes the folder of its own run and one small file of its own that tells how far the run
has come; nothing is written by two.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import socket
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import bench
from bench.errors import StoreError, UnavailableError
from bench.files import read_regular, temporary_folder, write_atomically
from bench.sweep.executor import POLL_SECONDS, Executor, Watcher
from bench.sweep.store import Store
from bench.sweep.worker import Outcome, Status, Task, execute
from bench.training.loop import EpochReport
from bench.training.run import peak_memory_bytes

# How long what one machine wrote may take until another one sees it.
VISIBLE_SECONDS = 15.0
# Of a file in which a worker tells something.
MOST_BYTES = 2**20


class ClusterExecutor(Executor):
    """Hands tasks to a cluster and follows them through the results folder.

    Parameters
    ----------
    side_by_side : int or None
    results_dir : Path
    max_minutes : float or None
    """

    def __init__(
        self, side_by_side: int | None, results_dir: Path, max_minutes: float | None
    ) -> None:
        super().__init__(side_by_side, max_minutes)
        self.results_dir = results_dir.resolve()
        self._running: dict[Any, Task] = {}
        self._told: dict[str, bytes] = {}
        self._progress_dir: Path | None = None

    @abstractmethod
    def submit(self, calls: Sequence[tuple[Task, Path]]) -> Sequence[Any]:
        """A hashable handle for each call of :func:`execute_on_worker` with these arguments."""

    @abstractmethod
    def ended(self, handles: Sequence[Any]) -> list[Any]:
        """Those of `handles` that have ended; waits a while for one."""

    @abstractmethod
    def cancel(self, handle: Any) -> None:
        """End what `handle` stands for, whatever it is doing."""

    @abstractmethod
    def outcome(self, handle: Any, task: Task) -> Outcome:
        """What `handle` ended with; a worker that was lost is an outcome with the reason."""

    def open(self) -> None:
        # A new name: a worker that sees it sees the same file system, and not a namesake of it.
        self._progress_dir = temporary_folder(self.results_dir, "progress")

    def start(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        assert self._progress_dir is not None
        calls = [(_absolute(task), self._progress_dir) for task in tasks]
        handles = self.submit(calls)
        self._running.update(zip(handles, (task for task, _ in calls), strict=True))

    def wait(self, watcher: Watcher) -> list[Outcome]:
        handles = self.ended(list(self._running))
        self._tell(watcher)
        outcomes = []
        for handle in handles:
            task = self._running.pop(handle)
            outcomes.append(self._as_stored(task, self.outcome(handle, task)))
        return outcomes

    def _as_stored(self, task: Task, outcome: Outcome) -> Outcome:
        """`outcome`, where it says that the run is done only if its record is there."""
        store = Store(self.results_dir)
        deadline = time.monotonic() + VISIBLE_SECONDS
        while outcome.error is None and not store.is_done(task.job.job_id, task.replaces):
            if time.monotonic() > deadline:
                reason = f"its worker told of a record that is not in {self.results_dir}"
                return Outcome(task.job.job_id, reason, "died")
            time.sleep(POLL_SECONDS)
        return outcome

    def stop(self, task: Task) -> None:
        [handle] = [h for h, running in self._running.items() if running.job is task.job]
        self.cancel(handle)
        del self._running[handle]

    def close(self) -> None:
        self._running.clear()
        if self._progress_dir is not None:
            shutil.rmtree(self._progress_dir, ignore_errors=True)

    def _tell(self, watcher: Watcher) -> None:
        """Pass on what running tasks have written since the last time."""
        assert self._progress_dir is not None
        for task in self._running.values():
            job_id = task.job.job_id
            try:
                text = read_regular(_progress_file(self._progress_dir, job_id), MOST_BYTES)
                if self._told.get(job_id) == text:
                    continue
                self._told[job_id] = text
                told = json.loads(text)
                report = None if told is None else EpochReport(**told["report"])
                memory = None if told is None else int(told["peak_memory_bytes"])
            # Not there before the run began; and a network's disk may be away for a moment.
            except (OSError, ValueError, TypeError, KeyError, RecursionError, StoreError):
                continue
            if report is None or memory is None:
                watcher.started(job_id)
            else:
                self.peak_memory[job_id] = memory
                watcher.epoch(job_id, report)


def execute_on_worker(task: Task, progress_dir: Path) -> dict[str, Any]:
    """Run `task` on a worker; when it does not see what it needs, nothing is written there.

    Returns
    -------
    dict
        For :func:`outcome_of`. Plain values: nothing of it is a class that a reader must make.
    """
    return asdict(_executed(task, progress_dir))


def outcome_of(told: Any, task: Task) -> Outcome:
    """What a worker told of `task`; what nobody can read is a run that died."""
    known = isinstance(told, dict) and told.get("status") in get_args(Status)
    if known and isinstance(told.get("error"), str | None):
        return Outcome(task.job.job_id, told["error"], told["status"])
    return Outcome(task.job.job_id, "its worker ended without an outcome that can be read", "died")


def _executed(task: Task, progress_dir: Path) -> Outcome:
    for what, path, option in (
        ("results folder", progress_dir, "--out"),
        ("data file", task.data_path, "--data-dir"),
        ("cache folder", task.cache_dir, "LTDD_CACHE_DIR"),
    ):
        if not path.exists():
            return Outcome(
                task.job.job_id,
                f"Expected the {what} on a file system that every worker sees, but worker "
                f"{socket.gethostname()} has no {path}. Choose another place with {option}.",
            )
    path = _progress_file(progress_dir, task.job.job_id)

    def tell(content: Any) -> None:
        try:
            write_atomically(path, json.dumps(content).encode())
        except FileNotFoundError:
            # The sweep is gone, and the next one has tidied up and taken the run over.
            if progress_dir.parent.is_dir():
                raise SystemExit(1) from None
        except OSError:  # the disk is full or away for a moment; the run is worth finishing
            pass

    tell(None)
    return execute(
        task,
        lambda _, report: tell(
            {"report": report.to_json(), "peak_memory_bytes": peak_memory_bytes()}
        ),
    )


def import_cluster_package(name: str) -> Any:
    """The optional package `name`.

    Raises
    ------
    UnavailableError
        It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f"Expected the package {name} for this executor, but it cannot be imported: {error}. "
            "Run: pip install -r requirements-cluster.txt"
        ) from None


def python_path() -> str:
    """``PYTHONPATH`` with which a worker finds the modules of this checkout first."""
    root = str(Path(bench.__file__).resolve().parents[1])
    others = [item for item in os.environ.get("PYTHONPATH", "").split(os.pathsep) if item != root]
    return os.pathsep.join([root, *filter(None, others)])


def _progress_file(folder: Path, job_id: str) -> Path:
    return folder / f"{job_id}.json"


def _absolute(task: Task) -> Task:
    """`task` with paths that mean the same in whatever folder a worker starts."""
    return replace(
        task,
        data_path=task.data_path.resolve(),
        cache_dir=task.cache_dir.resolve(),
        results_dir=task.results_dir.resolve(),
    )
