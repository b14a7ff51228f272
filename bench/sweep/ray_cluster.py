"""Run tasks on a Ray cluster, or on one that is started on this machine for the sweep.

Ray is an optional package. A run has a worker process of its own. When that is lost, Ray starts the
run again, on whatever machine; when it is lost again and again, the run is a failure like others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import UnavailableError
from bench.sweep.cluster import (
    ClusterExecutor,
    execute_on_worker,
    import_cluster_package,
    outcome_of,
    python_path,
)
from bench.sweep.executor import POLL_SECONDS
from bench.sweep.worker import Outcome, Task

# How often a run is begun again after its worker was lost.
RETRIES = 2

_CONNECT_SECONDS = 10.0
# Data goes through files; only tasks and outcomes go through Ray's own memory.
_STORE_BYTES = 100 * 2**20


class RayCluster(ClusterExecutor):
    """Tasks as Ray tasks of one core each.

    Parameters
    ----------
    side_by_side : int or None
        Also the cores of a cluster that is started here; None needs an `address`.
    results_dir : Path
    max_minutes : float or None
    address : str or None
        ``HOST:PORT`` of a cluster, or ``auto``; None starts one that listens on the loopback
        interface only and ends with the sweep.
    gpus : int or float
        GPUs a task asks for; below 1 several share one.

    Raises
    ------
    UnavailableError
        Ray is not installed, or there is no cluster at `address`.
    """

    def __init__(
        self,
        side_by_side: int | None,
        results_dir: Path,
        max_minutes: float | None = None,
        *,
        address: str | None,
        gpus: int | float,
    ) -> None:
        super().__init__(side_by_side, results_dir, max_minutes)
        if address is not None and address != "auto":
            _require_listener(address)
        self._address = address
        self._gpus = gpus
        # Ray reads these once, when it is imported, and hands them to the processes it starts.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))
        if address is None:
            # Ray's switch for one machine only, whatever the system: every port is on loopback.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        self._ray = import_cluster_package("ray")

    def open(self) -> None:
        super().open()
        self._connect()
        found = int(self._ray.cluster_resources().get("GPU", 0))
        # A cluster that grows on demand may still get some; this machine will not.
        if self._address is None and found < self._gpus:
            raise UnavailableError(
                f"Expected {self._gpus} GPUs for each run, but Ray finds {found} on this machine. "
                "Use --device cpu and leave executor.gpus out, or give the --address of a cluster "
                "that has them."
            )

    def _connect(self) -> None:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address is None:
            self._ray.init(
                address="local",
                num_cpus=self.side_by_side,
                object_store_memory=_STORE_BYTES,
                include_dashboard=False,
                **quiet,
            )
            return
        try:
            self._ray.init(address=self._address, **quiet)
        except (ConnectionError, ValueError) as error:
            raise _no_cluster(self._address, error) from None

    def submit(self, calls: Sequence[tuple[Task, Path]]) -> Sequence[Any]:
        # max_calls=1: a process of its own for each run, as on one machine.
        function = self._ray.remote(max_calls=1)(execute_on_worker)
        environment = {"env_vars": {"PYTHONPATH": python_path()}}
        return [
            function.options(
                name=f"run {task.job.job_id}",
                num_cpus=1,
                num_gpus=self._gpus,
                max_retries=RETRIES,
                runtime_env=environment,
            ).remote(task, progress_dir)
            for task, progress_dir in calls
        ]

    def ended(self, handles: Sequence[Any]) -> list[Any]:
        done, _ = self._ray.wait(list(handles), num_returns=1, timeout=POLL_SECONDS)
        return list(done)

    def cancel(self, handle: Any) -> None:
        self._ray.cancel(handle, force=True)

    def outcome(self, handle: Any, task: Task) -> Outcome:
        errors = self._ray.exceptions
        try:
            return outcome_of(self._ray.get(handle), task)
        except errors.WorkerCrashedError:
            reason = f"the worker process of the run was lost {RETRIES + 1} times"
            return Outcome(task.job.job_id, reason, "died")
        except errors.RayTaskError as error:
            reason = str(error.cause)
        except errors.RayError as error:
            reason = str(error)
        return Outcome(task.job.job_id, reason)

    def close(self) -> None:
        self._ray.shutdown()  # ends the tasks of this process, too
        super().close()


def _require_listener(address: str) -> None:
    """Refuse an address where nothing listens at once; Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS):
            pass
    except (OSError, ValueError) as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"Expected a Ray cluster at {address}, but got: {error}. Start one with "
        "`ray start --head` and give its HOST:PORT, or leave --address out to use this machine."
    )
