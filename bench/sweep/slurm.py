"""Run tasks as SLURM jobs through submitit, an optional package.

submitit hands tasks over as pickles, and whoever can put one in their place runs code. So its files
and the logs of the jobs are in a new folder ``submitit-NAME/`` of the cache folder, which this user
alone may enter and which goes with the sweep unless a job was lost. What comes back is JSON; the
pickle that submitit makes of every result is never opened. With the cluster ``local``, submitit
starts the same jobs as processes of this machine.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.config import ExecutorSettings
from bench.errors import StoreError, UnavailableError
from bench.files import read_regular, write_atomically
from bench.sweep.cluster import (
    MOST_BYTES,
    VISIBLE_SECONDS,
    ClusterExecutor,
    execute_on_worker,
    import_cluster_package,
    outcome_of,
    python_path,
)
from bench.sweep.executor import POLL_SECONDS
from bench.sweep.signals import interrupts_heard
from bench.sweep.worker import Outcome, Task


class Slurm(ClusterExecutor):
    """Tasks as jobs of an array, one core each.

    Parameters
    ----------
    side_by_side : int or None
    results_dir : Path
    max_minutes : float or None
        Also SLURM's time limit, in the place of that of `settings`.
    settings : ExecutorSettings
    cluster : str
        ``slurm``, or ``local`` for processes of this machine.
    visible_gpus : sequence of str
        On this machine, ``CUDA_VISIBLE_DEVICES`` for each that runs at a time; empty where it is
        the same for all.

    Raises
    ------
    UnavailableError
        submitit is not installed, or there is no SLURM here.
    """

    def __init__(
        self,
        side_by_side: int | None,
        results_dir: Path,
        max_minutes: float | None,
        settings: ExecutorSettings,
        *,
        cluster: str,
        visible_gpus: Sequence[str] = (),
    ) -> None:
        super().__init__(side_by_side, results_dir, max_minutes)
        self._submitit = import_cluster_package("submitit")
        self._settings = settings
        self._cluster = cluster
        self._private: Path | None = None
        self._keep_logs = False
        self._free_gpus = list(visible_gpus)
        self._gpu_of: dict[Any, str] = {}
        if cluster == "slurm" and shutil.which("srun") is None:
            raise UnavailableError(
                "Expected SLURM's commands on this machine, but there is no srun. Start from a "
                "login node of the cluster, or use another --executor."
            )

    def _make_private(self, cache_dir: Path) -> Path:
        """Make submitit's folder and its executor, when there is something to start.

        Not in the results folder: that may be a stranger's, or of several users.
        """
        cache_dir.mkdir(parents=True, exist_ok=True)
        private = Path(tempfile.mkdtemp(dir=cache_dir, prefix="submitit-"))
        settings = self._settings
        minutes = settings.minutes
        if self.max_minutes is not None:  # SLURM's clock runs while Python starts, too
            minutes = math.ceil(self.max_minutes) + 1
        self._executor = self._submitit.AutoExecutor(folder=private, cluster=self._cluster)
        self._executor.update_parameters(
            name="ltdd-bench",
            timeout_min=minutes,
            mem_gb=settings.memory_gb,
            cpus_per_task=1,
            gpus_per_node=settings.gpus or None,
            slurm_partition=settings.partition,
            slurm_account=settings.account,
            slurm_qos=settings.qos,
            slurm_additional_parameters=dict(settings.sbatch) or None,
            slurm_setup=[f"export PYTHONPATH={shlex.quote(python_path())}"],
        )
        if self._cluster == "local":  # its jobs have this process's environment
            os.environ["PYTHONPATH"] = python_path()
        return private

    def submit(self, calls: Sequence[tuple[Task, Path]]) -> Sequence[Any]:
        if self._private is None:
            self._private = self._make_private(calls[0][0].cache_dir)
        private = self._private
        taken = [self._free_gpus.pop(0) for _ in calls[: len(self._free_gpus)]]
        # submitit shows the first GPUs of the machine to all that it starts here.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") if self._cluster == "local" else None
        gpus = [*taken, *[visible] * (len(calls) - len(taken))]
        tasks, progress = zip(*calls, strict=True)
        arguments = (tasks, progress, [_outcome_file(private, task) for task in tasks], gpus)
        # On this machine submitit cancels by an interrupt.
        with self._quiet(private), interrupts_heard():
            try:
                jobs = list(self._executor.map_array(_write_outcome, *arguments))
            except self._submitit.core.utils.FailedJobError as error:
                raise UnavailableError(
                    f"Expected SLURM to take the runs, but got: {error}. See executor.partition, "
                    "account, qos and sbatch in --print-config."
                ) from None
        self._gpu_of.update(zip(jobs, taken, strict=False))
        return jobs

    @contextmanager
    def _quiet(self, folder: Path) -> Iterator[None]:
        """What starts in the block writes its standard error to a log.

        On this machine submitit's processes would write to the terminal's, and what they say of an
        interrupt is a traceback.
        """
        if self._cluster != "local":
            yield
            return
        terminal = os.dup(2)
        try:
            with (folder / "controllers.log").open("ab") as log:
                os.dup2(log.fileno(), 2)
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)

    def ended(self, handles: Sequence[Any]) -> list[Any]:
        done = [job for job in handles if job.done()]
        if not done:
            time.sleep(POLL_SECONDS)
        return done

    def cancel(self, handle: Any) -> None:
        handle.cancel()
        self._leave_gpu(handle)

    def _leave_gpu(self, handle: Any) -> None:
        """Let the next run have the GPU of the one that has ended."""
        if handle in self._gpu_of:
            self._free_gpus.append(self._gpu_of.pop(handle))

    def outcome(self, handle: Any, task: Task) -> Outcome:
        self._leave_gpu(handle)
        # Not handle.result(), which unpickles.
        assert self._private is not None
        deadline = time.monotonic() + VISIBLE_SECONDS
        while True:
            try:
                told = read_regular(_outcome_file(self._private, task), MOST_BYTES)
                return outcome_of(json.loads(told), task)
            except (OSError, ValueError, RecursionError, StoreError):
                if time.monotonic() > deadline:
                    break
                time.sleep(POLL_SECONDS)
        self._keep_logs = True
        reason = (
            f"Job {handle.job_id} has not told how the run ended (state: {handle.state}; log: "
            f"{handle.paths.stderr}, in the cache folder, which every worker must see)"
        )
        return Outcome(task.job.job_id, reason, "died")

    def close(self) -> None:
        for job in self._running:
            self.cancel(job)
        super().close()
        if self._private is not None and not self._keep_logs:
            shutil.rmtree(self._private, ignore_errors=True)


def _write_outcome(task: Task, progress_dir: Path, path: Path, gpu: str | None = None) -> None:
    """Run `task` on a worker, on `gpu` if one is named, and write how it ended to `path`."""
    if gpu is not None:  # CUDA reads it when it is first used, which is later
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    write_atomically(path, json.dumps(execute_on_worker(task, progress_dir)).encode())


def _outcome_file(folder: Path, task: Task) -> Path:
    return folder / f"{task.job.job_id}.json"
