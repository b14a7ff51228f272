"""Run tasks as SLURM jobs through submitit, an optional package.

submitit's own files and the logs of the jobs are in ``submitit/`` of the results folder. With the
cluster ``local``, submitit starts the same jobs as processes of this machine.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.config import ExecutorSettings
from bench.errors import UnavailableError
from bench.sweep.cluster import (
    ClusterExecutor,
    execute_on_worker,
    import_cluster_package,
    python_path,
)
from bench.sweep.worker import Outcome, Task

_POLL_SECONDS = 0.5


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
    ) -> None:
        super().__init__(side_by_side, results_dir, max_minutes)
        self._submitit = import_cluster_package("submitit")
        self._settings = settings
        self._cluster = cluster
        if cluster == "slurm" and shutil.which("srun") is None:
            raise UnavailableError(
                "Expected SLURM's commands on this machine, but there is no srun. Start from a "
                "login node of the cluster, or use another --executor."
            )

    def open(self) -> None:
        super().open()
        settings = self._settings
        minutes = settings.minutes
        if self.max_minutes is not None:  # SLURM's clock runs while Python starts, too
            minutes = math.ceil(self.max_minutes) + 1
        self._executor = self._submitit.AutoExecutor(
            folder=self.results_dir / "submitit", cluster=self._cluster
        )
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

    def submit(self, calls: Sequence[tuple[Task, Path]]) -> Sequence[Any]:
        with self._quiet():
            return list(self._executor.map_array(execute_on_worker, *zip(*calls, strict=True)))

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """What starts in the block writes its standard error to a log.

        On this machine submitit's processes would write to the terminal's, and what they say of an
        interrupt is a traceback.
        """
        if self._cluster != "local":
            yield
            return
        terminal = os.dup(2)
        try:
            with (self.results_dir / "submitit" / "controllers.log").open("ab") as log:
                os.dup2(log.fileno(), 2)
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)

    def ended(self, handles: Sequence[Any]) -> list[Any]:
        done = [job for job in handles if job.done()]
        if not done:
            time.sleep(_POLL_SECONDS)
        return done

    def cancel(self, handle: Any) -> None:
        handle.cancel()

    def outcome(self, handle: Any, task: Task) -> Outcome:
        errors = self._submitit.core.utils
        try:
            outcome = handle.result()
        except errors.UncompletedJobError as error:  # it raised, or was lost, or ran out of time
            first = str(error).strip().splitlines()[0]
            return Outcome(task.job.job_id, f"{first} (log: {handle.paths.stderr})", "died")
        assert isinstance(outcome, Outcome)
        return outcome

    def close(self) -> None:
        for job in self._running:
            self.cancel(job)
        super().close()
