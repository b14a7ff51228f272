"""Executors by name."""

from __future__ import annotations

from pathlib import Path

from bench.config import Settings
from bench.errors import UsageError
from bench.sweep.devices import Place, number_of
from bench.sweep.executor import Executor
from bench.sweep.local import InProcess, Processes


def make_executor(
    settings: Settings, place: Place, results_dir: Path, max_minutes: float | None = None
) -> Executor:
    """The executor that `settings` ask for; a cluster's package is imported only for it.

    `place` is where runs train under these settings, :func:`bench.sweep.devices.place_of`.

    Raises
    ------
    UsageError
        An address for an executor that has none, a part of a GPU for one that gives whole ones,
        or a time limit for one that cannot stop a run.
    UnavailableError
        The package or the cluster that is asked for is not here.
    """
    chosen = settings.executor
    if chosen.address is not None and chosen.name != "ray":
        raise UsageError(f"--address goes with --executor ray, but got {chosen.name!r}.")
    cores, gpus = place.side_by_side, gpus_of_a_run(settings, place.device)
    if chosen.name == "ray":
        from bench.sweep.ray_cluster import RayCluster

        side_by_side = cores if chosen.address is None else settings.jobs or None
        return RayCluster(side_by_side, results_dir, max_minutes, address=chosen.address, gpus=gpus)
    if chosen.name in ("slurm", "submitit-local"):
        from bench.sweep.slurm import Slurm

        chosen = chosen.model_copy(update={"gpus": gpus})
        if chosen.name == "slurm":
            return Slurm(settings.jobs or None, results_dir, max_minutes, chosen, cluster="slurm")
        return Slurm(
            cores, results_dir, max_minutes, chosen, cluster="local", visible_gpus=place.gpus
        )
    if chosen.name == "in-process":
        if max_minutes is not None:
            raise UsageError(
                "--max-minutes needs runs in processes of their own: --executor local."
            )
        return InProcess(number_of(place.gpus[0]) if place.gpus else -1)
    return Processes(cores, max_minutes, place.gpus)


def gpus_of_a_run(settings: Settings, device: str) -> int | float:
    """GPUs that a run on `device` asks of a cluster, which hides all others from it.

    Raises
    ------
    UsageError
        A part of a GPU where there are only whole ones.
    """
    gpus = settings.executor.gpus
    if gpus is None:
        return 1 if device == "cuda" else 0
    if gpus != int(gpus) and (gpus > 1 or settings.executor.name != "ray"):
        raise UsageError(
            f"Expected a whole number in executor.gpus, or with --executor ray a part of one GPU, "
            f"but got {gpus}."
        )
    return int(gpus) if gpus == int(gpus) else gpus
