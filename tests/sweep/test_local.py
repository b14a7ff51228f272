import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from bench.backbone import BACKBONES
from bench.dataset import DATASETS
from bench.method import METHODS, Method, register_method
from bench.split import SPLITS
from bench.sweep import local
from bench.sweep.executor import Watcher
from bench.sweep.local import InProcess, Processes
from bench.sweep.store import Store
from bench.sweep.worker import Task
from tests.sweep.test_plan import _jobs

EPOCH = SimpleNamespace(epoch=1)


@pytest.fixture
def executed(monkeypatch, tmp_path):
    """Tasks whose execution is what the test says, in forked processes that know it."""
    monkeypatch.setattr(local, "_context", lambda: multiprocessing.get_context("fork"))

    def make(execute, jobs):
        monkeypatch.setattr(local, "execute", execute)
        return [Task(job, tmp_path, "", "", tmp_path, tmp_path / "results", "cpu") for job in jobs]

    return make


def _succeed(task, on_epoch):
    on_epoch(task.job.job_id, EPOCH)
    return local.Outcome(task.job.job_id)


def test_every_task_ends_with_an_outcome_and_epochs_are_passed_on(executed):
    jobs = _jobs(seeds=[0, 1, 2])
    seen = []

    class Seen(Watcher):
        def epoch(self, job_id, report):
            seen.append((job_id, report.epoch))

    tasks = executed(_succeed, jobs)
    outcomes = list(Processes(3).run(tasks, Seen()))
    expected = sorted(job.job_id for job in jobs)
    assert sorted(outcome.job_id for outcome in outcomes) == expected
    assert all(outcome.error is None for outcome in outcomes)
    assert sorted(seen) == [(job_id, 1) for job_id in expected]


def test_each_run_sees_the_gpu_of_its_turn_and_leaves_it_to_the_next(executed):
    def execute(task, on_epoch):
        on_epoch(task.job.job_id, SimpleNamespace(epoch=1, gpu=os.environ["CUDA_VISIBLE_DEVICES"]))
        return local.Outcome(task.job.job_id)

    seen = []

    class Seen(Watcher):
        def epoch(self, job_id, report):
            seen.append(report.gpu)

    tasks = executed(execute, _jobs(seeds=[0, 1]))
    assert len(tasks) == 4
    executor = Processes(2, gpus=("3", "GPU-ab"))
    list(executor.run(tasks, Seen()))
    assert {"3", "GPU-ab"} == set(seen)
    assert len(seen) == 4
    assert sorted(executor._free_gpus) == ["3", "GPU-ab"]


def test_a_run_imports_its_own_plug_ins_and_leaves_the_others(executed, tmp_path, monkeypatch):
    """Every run imports all plug-ins, and with them packages that no method of the sweep needs."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_plugin.py").write_text("")
    (tmp_path / "broken_plugin.py").write_text("raise ZeroDivisionError")
    plugins = ["absent_plugin", "broken_plugin", "own_plugin"]
    monkeypatch.setattr(local, "registering_modules", lambda job: plugins)

    def execute(task, on_epoch):
        return local.Outcome(task.job.job_id, f"{sorted(sys.modules.keys() & {*plugins})}")

    [task] = executed(execute, _jobs(splits=["random"], methods=["vanilla"]))
    [outcome] = Processes(1).run([task])
    assert outcome.error == "['own_plugin']"


def test_what_the_server_of_runs_imports_is_there():
    """It passes over a module that it cannot import, and every run pays for that."""
    assert "bench.sweep.compiler" in local._PRELOAD
    for name in local._PRELOAD:
        importlib.import_module(name)


def test_a_run_whose_plug_ins_are_imported_looks_for_no_others(toy_tasks, monkeypatch):
    tasks = toy_tasks("results", ["dive"], epochs=1)
    for registry in (BACKBONES, DATASETS, METHODS, SPLITS):
        monkeypatch.setattr(registry, "discover", None)
    assert [outcome.error for outcome in InProcess().run(tasks)] == [None, None]


@pytest.mark.parametrize(
    ("die", "words"),
    [
        (lambda: os._exit(9), "exit code 9"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL; when memory runs out"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "SIGTERM"),
    ],
)
def test_a_process_that_dies_is_one_failure_and_the_others_go_on(executed, tmp_path, die, words):
    jobs = _jobs(seeds=[0, 1, 2])
    victim = jobs[1].job_id

    def execute(task, on_epoch):
        if task.job.job_id == victim:
            die()
        return _succeed(task, on_epoch)

    outcomes = {o.job_id: o.error for o in Processes(2).run(executed(execute, jobs))}
    assert len(outcomes) == len(jobs)
    assert words in outcomes.pop(victim)
    assert set(outcomes.values()) == {None}
    assert words in Store(tmp_path / "results").read_failure(victim)["reason"]


def test_a_run_past_its_time_is_ended_and_recorded_with_the_epochs_done(executed, tmp_path):
    jobs = _jobs(seeds=[0, 1])
    victim = jobs[1].job_id

    def execute(task, on_epoch):
        on_epoch(task.job.job_id, EPOCH)
        if task.job.job_id == victim:
            time.sleep(600)
        return local.Outcome(task.job.job_id)

    tasks = executed(execute, jobs)
    outcomes = {o.job_id: o for o in Processes(2, max_minutes=0.05).run(tasks)}
    assert len(outcomes) == len(jobs)
    assert outcomes.pop(victim).status == "timed-out"
    assert {outcome.error for outcome in outcomes.values()} == {None}
    failure = Store(tmp_path / "results").read_failure(victim)
    assert (failure["status"], failure["epochs"], failure["attempts"]) == ("timed-out", 1, 1)
    assert failure["peak_memory_bytes"] > 2**20


def test_a_run_that_does_not_end_after_its_outcome_holds_up_nobody(executed, monkeypatch):
    """A thread that a plug-in leaves running hangs the sweep for ever, whatever its time limit."""
    monkeypatch.setattr(local, "_GRACE_SECONDS", 0.1)

    def execute(task, on_epoch):
        threading.Thread(target=time.sleep, args=(60,)).start()
        return local.Outcome(task.job.job_id)

    tasks = executed(execute, _jobs(seeds=[0, 1], splits=["random"]))
    started = time.monotonic()
    assert [outcome.error for outcome in Processes(1).run(tasks)] == [None, None]
    assert time.monotonic() - started < 50


def test_an_interrupted_run_is_recorded_as_such_and_is_no_attempt(executed, tmp_path):
    def execute(task, on_epoch):
        on_epoch(task.job.job_id, EPOCH)
        time.sleep(600)

    [job] = _jobs(splits=["random"])

    class Interrupt(Watcher):
        def epoch(self, job_id, report):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Processes(1).run(executed(execute, [job]), Interrupt()))
    failure = Store(tmp_path / "results").read_failure(job.job_id)
    assert (failure["status"], failure["attempts"], failure["epochs"]) == ("interrupted", 0, 1)


def test_a_run_that_was_stored_before_its_process_died_is_done(executed, tmp_path):
    def execute(task, on_epoch):
        Store(tmp_path / "results").write(task.job.job_id, {}, {}, {})
        os._exit(9)

    [outcome] = Processes(1).run(executed(execute, _jobs(splits=["random"])))
    assert outcome.error is None


def test_what_is_built_on_ends_before_what_builds_on_it_starts(executed, monkeypatch, tmp_path):
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    @register_method("builds", title="B", group="extension", reference="none")
    class Builds(Method):
        @classmethod
        def requires(cls, options):
            return {"first": "vanilla"}

    from bench.sweep.plan import with_required

    jobs = with_required(_jobs(methods=["builds", "vanilla"], splits=["random"]))
    assert [job.method.name for job in jobs] == ["vanilla", "builds"]
    assert jobs[1].to_json()["requires"] == {"first": jobs[0].job_id}
    log = tmp_path / "log"

    def execute(task, on_epoch):
        with log.open("a") as file:
            file.write(f"start {task.job.method.name}\n")
        time.sleep(0.2)
        with log.open("a") as file:
            file.write(f"end {task.job.method.name}\n")
        return local.Outcome(task.job.job_id)

    # In whatever order they are handed over.
    list(Processes(2).run(executed(execute, jobs[::-1])))
    assert log.read_text().split("\n")[:-1] == [
        "start vanilla", "end vanilla", "start builds", "end builds",
    ]  # fmt: skip


def test_stopping_early_stops_the_processes(executed, tmp_path):
    def execute(task, on_epoch):
        if task.job.seed == 0:
            return local.Outcome(task.job.job_id)
        time.sleep(60)
        raise AssertionError("not reached")

    tasks = executed(execute, _jobs(seeds=[0, 1], splits=["random"]))
    others = multiprocessing.active_children()  # idle workers that earlier tests left behind
    started = time.monotonic()
    outcomes = Processes(2).run(tasks)
    next(outcomes)
    outcomes.close()
    assert time.monotonic() - started < 50  # the other would sleep for 60
    assert [child for child in multiprocessing.active_children() if child not in others] == []


def test_an_interrupt_while_the_server_of_processes_imports_prints_no_traceback():
    # A shell starts commands in the background with interrupts ignored, which children inherit.
    code = (
        "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from bench.sweep.local import Processes; Processes(2).open(); print('open', flush=True);"
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout.readline() == "open\n"
    time.sleep(0.3)  # the server imports for seconds
    os.killpg(process.pid, signal.SIGINT)
    # The server still imports, which takes a while where files are read for the first time.
    _, errors = process.communicate(timeout=300)
    assert "KeyboardInterrupt" in errors  # of the process that slept
    assert "forkserver" not in errors
