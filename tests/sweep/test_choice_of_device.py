"""What runs are given of a machine's GPUs, said by a machine that has none."""

import json
import os
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from bench.config import resolve
from bench.errors import UnavailableError, UsageError
from bench.sweep import devices, executors, local, slurm
from bench.sweep.devices import Gpu, find_gpus, gpu_of_runs, has_mps, place_of
from bench.sweep.executor import Watcher
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
    assert gpu_of_runs([0, 80 * GB], 2, 3, mps=False) == [1, 1, 1]  # not where nothing fits
    assert gpu_of_runs([0, GB // 2], 2, 3, mps=False) == [1, 0, 1]


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


@pytest.mark.parametrize(
    ("gpus", "why"),
    [
        ([None], "it does not tell how much memory is free"),
        ([Gpu("a", 0), Gpu("b", 0)], "it does not tell how much memory is free"),
        ([Gpu("a", 0), Gpu("b", GB)], "1.0 GB of its memory are free, and a run needs 1.8 GB"),
    ],
)
def test_a_gpu_without_room_for_a_run_is_taken_only_where_it_is_asked_for(machine, gpus, why):
    """A GPU that is full, or whose memory nobody tells, is left alone unless asked for."""
    machine(2, *gpus)
    for settings in ({}, {"executor.name": "in-process"}, {"jobs": 2}):
        chosen = place(**settings)
        assert chosen.device == "cpu"
        assert f"though there is a GPU: {why}. --device cuda takes" in chosen.note
    asked = place(device="cuda")
    assert (asked.device, asked.side_by_side) == ("cuda", 1)
    assert f"No GPU is known to bear a run: {why}. Runs at a time: one" in asked.note


def test_auto_counts_the_runs_that_fit_and_the_cores_that_there_are(machine):
    machine(6, Gpu("small", 2 * GB))
    assert place(jobs=5).device == "cpu"  # one fits; --jobs makes the GPU no larger
    machine(4, BIG)
    assert place(jobs=16).device == "cuda"  # on four cores, not on sixteen


def test_the_name_is_that_of_the_gpus_that_runs_get(machine):
    machine(4, Gpu("full", 0), BIG)
    assert (place().gpus, place().name) == (("1",) * 4, "NVIDIA H100")


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


def test_a_gpu_that_cannot_be_asked_does_not_hide_the_others(monkeypatch, capsys):
    def free(number):
        if number == 0:
            raise RuntimeError("CUDA-capable device(s) is/are busy or unavailable")
        return 7, 9

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", "GPU {}".format)
    monkeypatch.setattr(torch.cuda, "mem_get_info", free)
    exec(devices._ASK, {})
    assert json.loads(capsys.readouterr().out) == [["GPU 0", 0], ["GPU 1", 7]]


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


class _Submitit:
    """Stands for submitit, and for each of its jobs; keeps what runs are told of GPUs."""

    def __init__(self, told):
        self.told = told

    def map_array(self, call, tasks, progress, outcomes, gpus):
        self.told += gpus
        return [_Submitit(self.told) for _ in tasks]

    def cancel(self):
        pass


def test_runs_that_submitit_starts_here_are_spread_over_the_gpus(machine, monkeypatch, tmp_path):
    """Left to itself, submitit shows the first GPU of the machine to every run."""
    pytest.importorskip("submitit")
    machine(4, BIG, BIG)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-ab")
    settings = resolve("quick", {"executor.name": "submitit-local", "device": "cuda"}).settings
    executor = executors.make_executor(settings, place_of(settings), tmp_path)
    assert executor.side_by_side == 4
    told = []
    executor._private, executor._executor = tmp_path, _Submitit(told)
    task = SimpleNamespace(job=SimpleNamespace(job_id="a"))
    (tmp_path / "a.json").write_text('{"error": null, "status": "failed"}')
    first = executor.submit([(task, tmp_path)] * 3)
    executor.submit([(task, tmp_path)])
    assert told == ["3", "GPU-ab", "3", "GPU-ab"]
    executor.outcome(first[1], task)
    executor.submit([(task, tmp_path)])
    executor.cancel(first[0])
    executor.submit([(task, tmp_path)])
    assert told[4:] == ["GPU-ab", "3"]  # those of the runs that have ended


def test_one_gpu_is_the_one_that_this_process_sees(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    settings = resolve("quick", {"executor.name": "submitit-local"}).settings
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    executor = executors.make_executor(settings, devices.Place("cuda", 1), tmp_path)
    told = []
    executor._private, executor._executor = tmp_path, _Submitit(told)
    executor.submit([(SimpleNamespace(job=SimpleNamespace(job_id="a")), tmp_path)])
    assert told == ["5"]


def test_a_job_of_submitit_shows_its_gpu_to_the_run(monkeypatch, tmp_path):
    def execute(task, progress_dir):
        return {"seen": os.environ.get("CUDA_VISIBLE_DEVICES")}

    monkeypatch.setattr(slurm, "execute_on_worker", execute)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    for gpu, seen in ((None, "0"), ("GPU-ab", "GPU-ab")):
        slurm._write_outcome(None, tmp_path, tmp_path / "outcome", gpu)
        assert json.loads((tmp_path / "outcome").read_text()) == {"seen": seen}


@pytest.mark.parametrize("visible", [None, "3,GPU-ab"])
def test_runs_in_this_process_use_the_gpu_that_was_chosen(machine, monkeypatch, tmp_path, visible):
    """torch has counted the GPUs before, and reads CUDA_VISIBLE_DEVICES no more."""
    machine(4, Gpu("full", 0), BIG)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    settings = resolve("quick", {"executor.name": "in-process"}).settings
    executor = make_executor(settings, place_of(settings), tmp_path)
    current = []

    @contextmanager
    def use(gpu):
        current.append(gpu)
        yield
        current.append(None)

    monkeypatch.setattr(torch.cuda, "device", use)
    monkeypatch.setattr(local, "execute", lambda *_: current[-1])
    executor.start([SimpleNamespace(job=SimpleNamespace(job_id="a"))], Watcher())
    assert executor.wait(Watcher()) == [1]
    assert current == [1, None]
