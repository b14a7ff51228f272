"""What runs are given of a machine's GPUs, said by a machine that has none."""

import subprocess

import pytest
import torch

from bench.config import resolve
from bench.errors import UnavailableError, UsageError
from bench.sweep import devices, executors
from bench.sweep.devices import Gpu, find_gpus, gpu_of_runs, has_mps, place_of
from bench.sweep.executors import gpus_of_a_run, make_executor

GB = 1_000_000_000
BIG = Gpu("NVIDIA H100", 80 * GB)


@pytest.fixture
def machine(monkeypatch):
    """A machine of so many cores and such GPUs, with or without MPS."""

    def make(cores, *gpus, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpus))
        monkeypatch.setattr(devices, "default_jobs", lambda: cores)
        monkeypatch.setattr(devices, "find_gpus", lambda: tuple(g for g in gpus if g is not None))
        monkeypatch.setattr(devices, "has_mps", lambda: mps)
        monkeypatch.setattr(devices.shutil, "which", lambda _: "/usr/bin/" if not mps else None)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return make


def place(**settings):
    return place_of(resolve("quick", settings).settings)


@pytest.mark.parametrize(
    ("free", "cores", "mps", "runs"),
    [
        (80 * GB, 32, True, 16),
        (80 * GB, 32, False, 4),
        (80 * GB, 2, True, 2),
        (8 * GB, 32, True, 8),
        (2 * GB, 32, False, 1),
        (GB // 2, 32, True, 1),  # one at least: it may just fit
    ],
)
def test_as_many_runs_share_a_gpu_as_cores_memory_and_mps_allow(free, cores, mps, runs):
    assert gpu_of_runs([free], cores, 0, mps=mps) == [0] * runs


def test_several_gpus_are_taken_in_turn():
    assert gpu_of_runs([80 * GB, 80 * GB], 5, 0, mps=True) == [0, 1, 0, 1, 0]
    assert gpu_of_runs([2 * GB, 80 * GB], 32, 0, mps=False) == [0, 1, 1, 1, 1]
    assert gpu_of_runs([0, GB // 2], 32, 0, mps=False) == [1]
    assert gpu_of_runs([GB, GB], 2, 3, mps=False) == [0, 1, 0]  # as the user says
    assert gpu_of_runs([], 32, 0, mps=True) == [0]


@pytest.mark.parametrize("executor", ["local", "submitit-local"])
def test_many_cores_are_not_left_for_a_gpu_unless_it_is_asked_for(machine, executor):
    machine(16, BIG)
    chosen = place(**{"executor.name": executor})
    assert (chosen.device, chosen.side_by_side, chosen.name) == ("cpu", 16, "cpu")
    assert "16 cores are expected to be as fast. --device cuda takes the GPU" in chosen.note
    asked = place(**{"executor.name": executor}, device="cuda")
    assert (asked.device, asked.side_by_side, asked.name) == ("cuda", 4, "NVIDIA H100")
    assert "nvidia-cuda-mps-control -d" in asked.note


def test_few_cores_are_left_for_a_gpu_that_bears_enough_runs(machine):
    machine(6, BIG)
    assert (place().device, place().side_by_side) == ("cuda", 4)
    machine(6, Gpu("small", 2 * GB))
    assert place().device == "cpu"
    assert "1 at a time on it are expected to be slower than 6 cores" in place().note
    machine(16, BIG)
    assert place(jobs=2).device == "cuda"
    assert place(**{"executor.name": "in-process"}).side_by_side == 1


def test_a_gpu_that_does_not_tell_its_memory_gets_one_run(machine):
    machine(2, None)
    chosen = place(device="cuda")
    assert (chosen.device, chosen.side_by_side, chosen.gpus, chosen.name) == ("cuda", 1, (), None)
    assert "does not tell how much memory is free" in chosen.note
    assert place(device="cuda", jobs=3).side_by_side == 3


def test_without_a_gpu_nothing_is_said_or_asked(machine, monkeypatch):
    machine(4)
    monkeypatch.setattr(devices, "find_gpus", None)
    assert place() == devices.Place("cpu", 4, name="cpu")
    with pytest.raises(UnavailableError, match="Expected a CUDA device"):
        place(device="cuda")


def test_runs_see_the_gpus_that_the_command_sees(machine, monkeypatch):
    machine(4, BIG, BIG)
    assert place(device="cuda").gpus == ("0", "1", "0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-ab")
    assert place(device="cuda").gpus == ("3", "GPU-ab", "3", "GPU-ab")
    machine(4, BIG)
    assert place(device="cuda").gpus == ()


def test_the_executor_runs_as_many_as_the_place_bears(machine, tmp_path):
    machine(16, BIG, BIG)
    settings = resolve("quick", {"device": "cuda"}).settings
    executor = make_executor(settings, place_of(settings), tmp_path)
    assert executor.side_by_side == 8
    assert executor._free_gpus == ["0", "1"] * 4


def test_a_process_of_its_own_asks_the_gpus(monkeypatch):
    """Asking starts CUDA, which this process must not."""
    find_gpus.cache_clear()
    assert find_gpus() == ()  # a real one: there is no GPU here, or it is not seen
    answers = ['[["NVIDIA H100", 5]]', "[[", "[[1]]"]
    for answer, gpus in zip(answers, [(Gpu("NVIDIA H100", 5),), (), ()], strict=True):
        find_gpus.cache_clear()
        done = subprocess.CompletedProcess([], 0, answer)
        monkeypatch.setattr(devices.subprocess, "run", lambda *_, done=done, **__: done)
        assert find_gpus() == gpus
    failed = subprocess.TimeoutExpired([], 1), subprocess.CalledProcessError(1, [])
    for error in (OSError(), *failed):
        find_gpus.cache_clear()

        def run(*_, error=error, **__):
            raise error

        monkeypatch.setattr(devices.subprocess, "run", run)
        assert find_gpus() == ()
    find_gpus.cache_clear()


def test_mps_is_known_by_its_folder_or_its_process(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "comm").write_text("python\n")
    assert not has_mps(tmp_path)
    (tmp_path / "12" / "comm").write_text("nvidia-cuda-mps\n")
    assert has_mps(tmp_path)
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path / "gone"))
    assert not has_mps(tmp_path)
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert has_mps(tmp_path)


@pytest.mark.parametrize(
    ("settings", "gpus"),
    [
        ({}, 0),
        ({"device": "cuda"}, 1),
        ({"device": "cuda", "executor.gpus": 0.25}, 0.25),
        ({"executor.gpus": 2.0}, 2),
    ],
)
def test_on_a_cluster_a_run_on_cuda_asks_for_a_gpu(settings, gpus):
    """Ray hides all GPUs from a task that asks for none."""
    found = resolve("quick", {"executor.name": "ray", **settings}).settings
    assert gpus_of_a_run(found, found.device) == gpus
    assert isinstance(gpus_of_a_run(found, found.device), type(gpus))


@pytest.mark.parametrize(("name", "gpus"), [("ray", 1.5), ("slurm", 0.5)])
def test_a_part_of_a_gpu_where_there_is_none_is_refused(name, gpus):
    settings = resolve("quick", {"executor.name": name, "executor.gpus": gpus}).settings
    with pytest.raises(UsageError, match=r"whole number in executor.gpus.* but got"):
        gpus_of_a_run(settings, settings.device)


@pytest.mark.parametrize(("gpus", "device"), [(None, "cpu"), (0, "cpu"), (0.5, "auto")])
def test_a_worker_of_a_cluster_looks_for_a_gpu_where_it_asks_for_one(machine, gpus, device):
    machine(2, BIG)
    assert place(**{"executor.name": "ray", "executor.gpus": gpus}).device == device


def test_what_ray_and_slurm_are_told(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(
        "bench.sweep.ray_cluster.RayCluster", lambda *_, gpus, **__: told.append(gpus)
    )
    monkeypatch.setattr("bench.sweep.slurm.Slurm", lambda *given, **_: told.append(given[3].gpus))
    for name in ("ray", "slurm"):
        values = {"device": "cuda", "executor.name": name}
        settings = resolve("quick", values).settings
        executors.make_executor(settings, place_of(settings), tmp_path)
    assert told == [1, 1]


def test_runs_that_submitit_starts_here_get_the_gpu_that_auto_takes(machine, monkeypatch, tmp_path):
    machine(2, BIG)
    told = []
    monkeypatch.setattr("bench.sweep.slurm.Slurm", lambda *given, **_: told.append(given[3].gpus))
    settings = resolve("quick", {"executor.name": "submitit-local"}).settings
    assert place_of(settings).device == "cuda"
    executors.make_executor(settings, place_of(settings), tmp_path)
    assert told == [1]
