"""Whether runs train on the CPU or on GPUs, and how many of them side by side."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import torch

from bench.config import Settings
from bench.sweep.local import default_jobs
from bench.training.run import require_cuda

# From this number of cores on they are expected to be as fast as one GPU: no run has shown yet
# what a GPU gains, and runs of this size leave most of it idle.
_MANY_CORES = 8
# Runs that one GPU bears: they compute at the same time under CUDA's Multi-Process Service (MPS),
# and take turns without it.
_AT_ONCE, _IN_TURNS = 16, 4
# Cores that a run on a GPU is worth at least.
_WORTH_CORES = 2
# Of a GPU's free memory: what is left free, and what a run needs, most of it CUDA's own.
_LEFT_BYTES, _RUN_BYTES = 1_000_000_000, 800_000_000

_ASK_SECONDS = 120
_ASK = """
import json, torch

def free(number):
    try:
        return torch.cuda.mem_get_info(number)[0]
    except RuntimeError:  # a program has it to itself, or it is broken
        return 0

numbers = range(torch.cuda.device_count())
print(json.dumps([[torch.cuda.get_device_name(number), free(number)] for number in numbers]))
"""


@dataclass(frozen=True)
class Gpu:
    """A GPU that runs may use: its name and its free memory, 0 where it does not tell."""

    name: str
    free_bytes: int


@dataclass(frozen=True)
class Place:
    """Where the runs of a command train.

    Attributes
    ----------
    device : str
        For tasks: ``cpu``, ``cuda``, or ``auto`` where a cluster's worker has to find out.
    side_by_side : int
        Runs at a time on this machine.
    gpus : tuple of str
        ``CUDA_VISIBLE_DEVICES`` for each of them; empty where it is the same for all.
    name : str or None
        What records will call the device, as far as it is known.
    note : str
        What there is to say about the choice, or empty.
    """

    device: str
    side_by_side: int
    gpus: tuple[str, ...] = ()
    name: str | None = None
    note: str = ""


def place_of(settings: Settings) -> Place:
    """Where runs train under `settings`; the free memory of GPUs is asked for once a process.

    ``auto`` takes GPUs where the cores alone are not expected to be as fast: fewer than
    `_MANY_CORES`, and at most twice as many as runs fit on the GPUs, which is one at least.

    Raises
    ------
    UnavailableError
        CUDA is asked for and there is none.
    """
    executor, jobs, auto = settings.executor, settings.jobs, settings.device == "auto"
    cores = jobs or default_jobs()
    if executor.name in ("ray", "slurm"):
        device = "cpu" if auto and not executor.gpus else settings.device
        return Place(device, cores, name="cpu" if device == "cpu" else None)
    if executor.name == "in-process":
        cores = jobs = 1
    on_cpu = Place("cpu", cores, name="cpu")
    if settings.device == "cpu" or (auto and not torch.cuda.is_available()):
        return on_cpu
    require_cuda()
    busy = min(cores, default_jobs())
    if auto and busy >= _MANY_CORES:
        return _declined(on_cpu, f"{busy} cores are expected to be as fast")
    gpus = find_gpus()
    free = [gpu.free_bytes for gpu in gpus]
    mps = has_mps()
    fitting = _fitting(free, mps=mps)
    if auto and not fitting:
        return _declined(on_cpu, _without_memory(free))
    taken = gpu_of_runs(free, default_jobs(), jobs, mps=mps)
    at_once = min(len(taken), len(fitting))
    if auto and _WORTH_CORES * at_once < busy:
        why = f"{at_once} at a time on it are expected to be slower than {busy} cores"
        return _declined(on_cpu, why)
    names = {gpus[gpu].name for gpu in taken} if gpus else set()
    visible = _visible(len(gpus))
    return Place(
        "cuda",
        len(taken),
        tuple(visible[gpu] for gpu in taken) if len(gpus) > 1 else (),
        names.pop() if len(names) == 1 else None,
        _advice(free, len(taken), jobs, mps=mps),
    )


def gpu_of_runs(free_bytes: Sequence[int], cores: int, jobs: int, *, mps: bool) -> list[int]:
    """The number of the GPU of each run side by side, in turn.

    Parameters
    ----------
    free_bytes : sequence of int
        Of each GPU; empty where it is not known, which leaves one run.
    cores : int
        At most as many runs, each of which keeps one busy.
    jobs : int
        As many as the user says, whatever the memory, in the same turns over again; 0 for as many
        as fit, and one at least.
    mps : bool
        Whether runs on one GPU compute at the same time.

    Examples
    --------
    >>> gpu_of_runs([80_000_000_000], 32, 0, mps=True).count(0)
    16
    >>> gpu_of_runs([4_300_000_000, 1_900_000_000], 32, 0, mps=True)
    [0, 1, 0, 0, 0]
    """
    fitting = _fitting(free_bytes, mps=mps)
    fullest_last = sorted(range(len(free_bytes)), key=free_bytes.__getitem__, reverse=True) or [0]
    if jobs:
        return list(islice(cycle(fitting or fullest_last), jobs))
    return fitting[:cores] or fullest_last[:1]


def _fitting(free_bytes: Sequence[int], *, mps: bool) -> list[int]:
    """The number of the GPU of each run that there is memory for, in turn."""
    most = _AT_ONCE if mps else _IN_TURNS
    fitting = [min(most, (free - _LEFT_BYTES) // _RUN_BYTES) for free in free_bytes]
    turns = sorted((run, gpu) for gpu, runs in enumerate(fitting) for run in range(runs))
    return [gpu for _, gpu in turns]


@cache
def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs that CUDA shows to this process; empty where they do not tell.

    A process of its own asks: this one stays without CUDA's memory, and may be forked.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=True,
        )
        return tuple(Gpu(str(name), int(free)) for name, free in json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return ()


def has_mps(processes: Path = Path("/proc")) -> bool:
    """Whether CUDA's Multi-Process Service runs here, by its folder or its process."""
    folder = os.environ.get("CUDA_MPS_PIPE_DIRECTORY")
    if folder:
        return Path(folder).is_dir()
    for path in processes.glob("[0-9]*/comm"):
        try:
            name = path.read_text()
        except OSError:
            continue
        if name.startswith("nvidia-cuda-mps"):  # the kernel keeps 15 letters
            return True
    return False


def _visible(count: int) -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` calls each of the `count` GPUs that this process sees."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return chosen.split(",")[:count] if chosen else [str(number) for number in range(count)]


def number_of(gpu: str) -> int:
    """The number in this process of a GPU that `Place.gpus` names."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return chosen.split(",").index(gpu) if chosen else int(gpu)


def _declined(on_cpu: Place, why: str) -> Place:
    note = f"Runs train on the CPU though there is a GPU: {why}. --device cuda takes the GPU."
    return Place(on_cpu.device, on_cpu.side_by_side, name=on_cpu.name, note=note)


def _without_memory(free_bytes: Sequence[int]) -> str:
    """Why no run is expected to fit on any GPU."""
    if not any(free_bytes):
        return "it does not tell how much memory is free"
    needed = (_LEFT_BYTES + _RUN_BYTES) / 1e9
    return f"{max(free_bytes) / 1e9:.1f} GB of its memory are free, and a run needs {needed:.1f} GB"


def _advice(free_bytes: Sequence[int], runs: int, jobs: int, *, mps: bool) -> str:
    if not _fitting(free_bytes, mps=mps):
        number = f"{runs} as --jobs says" if jobs else "one; --jobs N makes it N"
        why = _without_memory(free_bytes)
        return f"No GPU is known to bear a run: {why}. Runs at a time: {number}."
    if runs > 1 and not mps and shutil.which("nvidia-cuda-mps-control"):
        return "Runs take turns on the GPU; after `nvidia-cuda-mps-control -d` they share it."
    return ""
