"""Executors by name."""

from __future__ import annotations

from pathlib import Path

from bench.config import Settings
from bench.errors import UsageError
from bench.sweep.executor import Executor
from bench.sweep.local import InProcess, Processes, default_jobs


def make_executor(
    settings: Settings, results_dir: Path, max_minutes: float | None = None
) -> Executor:
    """The executor that `settings` ask for; a cluster's package is imported only for it.

    Raises
    ------
    UsageError
        An address for an executor that has none, or a time limit for one that cannot stop a run.
    UnavailableError
        The package or the cluster is not here.
    """
    chosen = settings.executor
    if chosen.address is not None and chosen.name != "ray":
        raise UsageError(f"--address goes with --executor ray, but got {chosen.name!r}.")
    cores = settings.jobs or default_jobs()
    if chosen.name == "ray":
        from bench.sweep.ray_cluster import RayCluster

        side_by_side = cores if chosen.address is None else settings.jobs or None
        return RayCluster(
            side_by_side, results_dir, max_minutes, address=chosen.address, gpus=chosen.gpus
        )
    if chosen.name in ("slurm", "submitit-local"):
        from bench.sweep.slurm import Slurm

        if chosen.name == "slurm":
            return Slurm(settings.jobs or None, results_dir, max_minutes, chosen, cluster="slurm")
        return Slurm(cores, results_dir, max_minutes, chosen, cluster="local")
    if chosen.name == "in-process":
        if max_minutes is not None:
            raise UsageError(
                "--max-minutes needs runs in processes of their own: --executor local."
            )
        return InProcess()
    return Processes(cores, max_minutes)
