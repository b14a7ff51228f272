import os
import pickle
import shutil
import signal
import stat
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.config import resolve
from bench.errors import StoreError, UnavailableError, UsageError
from bench.sweep.cluster import ClusterExecutor, execute_on_worker, outcome_of
from bench.sweep.devices import place_of
from bench.sweep.executor import Executor, Watcher
from bench.sweep.executors import make_executor
from bench.sweep.local import InProcess, Processes
from bench.sweep.slurm import Slurm
from bench.sweep.store import Store
from bench.sweep.worker import Outcome
from bench.training.loop import EpochReport

# One depends on the run of another.
METHODS = ("vanilla", "cb", "dive")


def _executor(results_dir, **settings):
    values = {"jobs": 2, **{f"executor.{key}": value for key, value in settings.items()}}
    settings = resolve("quick", values).settings
    return make_executor(settings, place_of(settings), results_dir)


class _Epochs(Watcher):
    def __init__(self):
        self.begun, self.done = [], []

    def started(self, job_id):
        self.begun.append(job_id)

    def epoch(self, job_id, report):
        self.done.append((job_id, report.epoch))


class _Scripted(Executor):
    """Ends tasks in the order in which they started; `fails` names the methods that fail."""

    def __init__(self, side_by_side, fails=()):
        super().__init__(side_by_side)
        self.fails, self.queue, self.order, self.most, self.closed = fails, [], [], 0, False

    def start(self, tasks, watcher):
        self.queue.extend(tasks)
        self.order.extend(task.job.method.name for task in tasks)
        self.most = max(self.most, len(self.queue))

    def wait(self, watcher):
        job = self.queue.pop(0).job
        return [Outcome(job.job_id, "by design" if job.method.name in self.fails else None)]

    def stop(self, task):
        self.queue.remove(task)

    def close(self):
        self.closed = True


def test_what_is_built_on_comes_first_and_the_rest_keeps_its_order(toy_tasks):
    tasks = toy_tasks("results", METHODS)
    executor = _Scripted(2)
    outcomes = list(executor.run(tasks[::-1]))  # in whatever order they are handed over
    assert len(outcomes) == len(tasks) == 4
    assert executor.order == ["balanced_softmax", "cb", "dive", "vanilla"]
    assert executor.most == 2
    assert executor.closed


def test_without_a_limit_all_that_can_start_does_at_once(toy_tasks):
    executor = _Scripted(None)
    list(executor.run(toy_tasks("results", METHODS)))
    assert executor.most == 3  # all but the one that depends on another


def test_what_builds_on_a_failed_run_is_not_started_and_says_why(toy_tasks):
    tasks = toy_tasks("results", METHODS)
    executor = _Scripted(2, fails=["balanced_softmax"])
    errors = {outcome.job_id: outcome.error for outcome in executor.run(tasks)}
    assert len(errors) == 4
    assert "dive" not in executor.order
    [lost] = [task.job for task in tasks if task.job.method.name == "dive"]
    assert "toy · random · balanced_softmax · seed 0, failed: by design" in errors[lost.job_id]
    failure = Store(tasks[0].results_dir).read_failure(lost.job_id)
    assert failure["reason"] == errors[lost.job_id]


def test_nothing_to_do_opens_nothing(tmp_path):
    executor = _Scripted(1)
    assert list(executor.run([])) == []
    assert not executor.closed


@pytest.fixture
def expected(toy_tasks, stored):
    """What one process after the other stores."""
    tasks = toy_tasks("one", METHODS, seeds=(0, 1))
    assert all(outcome.error is None for outcome in InProcess().run(tasks))
    return stored(tasks)


@pytest.mark.fault(8)
def test_processes_side_by_side_store_the_same_bits_as_one(toy_tasks, stored, expected):
    """Results depend on how many runs share the machine."""
    tasks = toy_tasks("two", METHODS, seeds=(0, 1))
    watcher = _Epochs()
    assert all(outcome.error is None for outcome in Processes(3).run(tasks, watcher))
    assert stored(tasks) == expected
    assert sorted(watcher.begun) == sorted(task.job.job_id for task in tasks)
    assert len(watcher.done) == 2 * len(tasks)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_two_processes_at_once_store_the_bits_of_one_on_any_device(toy_tasks, stored, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")

    def run(results, processes):
        methods = ("vanilla", "sdr")
        tasks = [replace(task, device=device) for task in toy_tasks(results, methods, epochs=1)]
        outcomes = list(Processes(processes).run(tasks))
        assert [outcome.error for outcome in outcomes] == [None, None]
        return stored(tasks)

    assert run("one", 1) == run("two", 2)


@pytest.mark.fault(8)
def test_the_order_of_jobs_changes_no_bit(toy_tasks, stored, expected):
    """A run leaves something behind in its process that changes the next one."""
    tasks = toy_tasks("reversed", METHODS, seeds=(0, 1))
    assert all(outcome.error is None for outcome in InProcess().run(tasks[::-1]))
    assert stored(tasks) == expected


@pytest.mark.fault(60)
def test_the_same_command_twice_stores_the_same_bits(toy_tasks, stored, expected):
    """The number of threads that a process was given decides how sums are rounded."""
    tasks = toy_tasks("again", METHODS, seeds=(0, 1))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert all(outcome.error is None for outcome in InProcess().run(tasks))
    finally:
        torch.set_num_threads(before)
    assert stored(tasks) == expected


def test_submitit_jobs_store_the_same_bits(toy_tasks, stored):
    pytest.importorskip("submitit")
    alone = toy_tasks("one", ["dive"])
    list(InProcess().run(alone))
    tasks = toy_tasks("jobs", ["dive"])
    watcher = _Epochs()
    executor = _executor(tasks[0].results_dir, name="submitit-local")
    assert all(outcome.error is None for outcome in executor.run(tasks, watcher))
    assert stored(tasks) == stored(alone)
    assert {job_id for job_id, _ in watcher.done} == {task.job.job_id for task in tasks}
    left = sorted(path.name for path in tasks[0].results_dir.iterdir())
    assert left == [".leases", "checkpoints", "failures", "runs"]
    assert not list(tasks[0].cache_dir.glob("submitit-*"))


def test_a_worker_that_does_not_see_the_files_is_a_failure_that_says_so(toy_tasks, tmp_path):
    pytest.importorskip("submitit")
    [task] = toy_tasks("jobs", ["vanilla"])
    task = replace(task, data_path=tmp_path / "elsewhere" / "toy.csv")
    [outcome] = _executor(task.results_dir, name="submitit-local").run([task])
    assert "Expected the data file on a file system that every worker sees" in outcome.error
    assert "elsewhere/toy.csv" in outcome.error
    assert Store(task.results_dir).read_failure(outcome.job_id)["reason"] == outcome.error


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
def test_a_run_of_submitit_past_its_time_is_stopped_and_recorded(toy_tasks, request, handler):
    """From a command that a script started in the background, the process of the run goes on."""
    pytest.importorskip("submitit")
    before = signal.signal(signal.SIGINT, handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    [task] = toy_tasks("jobs", ["vanilla"], epochs=100_000)
    settings = resolve("quick", {"jobs": 1, "executor.name": "submitit-local"}).settings
    [outcome] = make_executor(settings, place_of(settings), task.results_dir, max_minutes=0.05).run(
        [task]
    )
    assert outcome.status == "timed-out"
    failure = Store(task.results_dir).read_failure(outcome.job_id)
    assert failure["status"] == "timed-out"
    deadline = time.monotonic() + 60
    while any(str(task.cache_dir).encode() in line for line in _command_lines()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _command_lines():
    """Of all processes that are going on."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()


def test_even_one_job_at_a_time_gets_a_process_of_its_own_unless_a_debugger_is_to_see_it(tmp_path):
    one = resolve("quick", {"jobs": 1}).settings
    assert isinstance(make_executor(one, place_of(one), tmp_path), Processes)
    here = resolve("quick", {"executor.name": "in-process"}).settings
    assert isinstance(make_executor(here, place_of(here), tmp_path), InProcess)
    with pytest.raises(UsageError, match="processes of their own"):
        make_executor(here, place_of(here), tmp_path, max_minutes=1)


@pytest.mark.parametrize(("folder", "option"), [("results", "--out"), ("cache", "LTDD_CACHE_DIR")])
def test_a_worker_writes_nothing_where_a_folder_is_not_shared(toy_tasks, tmp_path, folder, option):
    [task] = toy_tasks("jobs", ["vanilla"])
    absent = tmp_path / "absent"
    progress = absent if folder == "results" else tmp_path
    if folder == "cache":
        task = replace(task, cache_dir=absent)
    error = execute_on_worker(task, progress)["error"]
    assert f"Expected the {folder} folder" in error
    assert option in error
    assert not absent.exists()


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Makes commands of SLURM, each of one line of shell."""
    folder = tmp_path / "bin"

    def make(**lines):
        folder.mkdir()
        for name, line in {"srun": "", "scancel": "", **lines}.items():
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return make


class _Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_no_pickle_of_a_result_is_ever_opened(toy_tasks, tmp_path, commands, monkeypatch):
    """A file that a stranger put beside the results runs code when a job seems to have ended."""
    pytest.importorskip("submitit")
    monkeypatch.setattr("bench.sweep.slurm.VISIBLE_SECONDS", 0.1)
    evil, canary = tmp_path / "evil.pkl", tmp_path / "canary"
    evil.write_bytes(pickle.dumps(("success", _Canary(canary))))
    [task] = toy_tasks("results", ["vanilla"])
    planted = task.results_dir / "submitit"
    planted.mkdir()
    name = "4242_0_result.pkl"
    shutil.copy(evil, planted / name)
    commands(
        # Nobody else may write there; even what lies there is not opened.
        sbatch=f'cp {evil} "$(dirname "$1")/{name}"; ls -ld "$(dirname "$1")" > {tmp_path}/folder;'
        " echo Submitted batch job 4242",
        sacct="printf 'JobID|State|NodeList\\n4242|COMPLETED|n\\n'",
    )
    [outcome] = _executor(task.results_dir, name="slurm").run([task])
    assert not canary.exists()
    assert outcome.status == "died"
    assert "Job 4242 has not told how the run ended" in outcome.error
    mode, *_, folder = (tmp_path / "folder").read_text().split()
    assert mode.startswith("drwx------")
    assert Path(folder).parent == task.cache_dir
    assert Path(folder).is_dir()  # with the log that the reason names


@pytest.mark.parametrize(
    "told",
    [None, [], "done", {}, {"error": 5, "status": "failed"}, {"error": None, "status": "fine"}],
)
def test_an_outcome_that_is_none_is_a_run_that_died(toy_tasks, told):
    [task] = toy_tasks("results", ["vanilla"])
    assert outcome_of(told, task).status == "died"


def test_a_worker_is_not_believed_that_its_record_is_stored(toy_tasks, monkeypatch):
    monkeypatch.setattr("bench.sweep.cluster.VISIBLE_SECONDS", 0.1)

    class Liar(ClusterExecutor):
        def submit(self, calls):
            return range(len(calls))

        def ended(self, handles):
            return handles

        def cancel(self, handle):
            pass

        def outcome(self, handle, task):
            return outcome_of({"error": None, "status": "failed"}, task)

    [task] = toy_tasks("results", ["vanilla"])
    [outcome] = Liar(1, task.results_dir, None).run([task])
    assert (outcome.status, "a record that is not in" in outcome.error) == ("died", True)


def test_a_worker_whose_sweep_was_tidied_up_ends(toy_tasks, monkeypatch):
    """The next sweep has taken its run over, and it is trained twice side by side."""
    [task] = toy_tasks("results", ["vanilla"])
    progress = task.results_dir / "progress"
    progress.mkdir()
    told = []

    def execute(task, on_epoch):
        for epoch in (1, 2):
            on_epoch(task.job.job_id, EpochReport(epoch, "main", 0.0, 0.0, 0.0, 0.0))
            told.append(epoch)
            shutil.rmtree(progress)  # as the next sweep does

    monkeypatch.setattr("bench.sweep.cluster.execute", execute)
    with pytest.raises(SystemExit):
        execute_on_worker(task, progress)
    assert told == [1]


def test_progress_that_cannot_be_read_for_a_moment_ends_no_sweep(toy_tasks, monkeypatch):
    """A network's disk that is away once, when a worker is asked how far it is, stops all runs."""

    class Here(ClusterExecutor):
        def submit(self, calls):
            return [execute_on_worker(*call)["error"] for call in calls]

        def ended(self, handles):
            return handles

        def cancel(self, handle):
            pass

        def outcome(self, handle, task):
            return Outcome(task.job.job_id, handle)

    def away(path, most):
        raise StoreError("stale file handle")

    monkeypatch.setattr("bench.sweep.cluster.read_regular", away)
    [task] = toy_tasks("results", ["vanilla"])
    [outcome] = Here(1, task.results_dir, None).run([task])
    assert outcome.error is None


def test_a_run_that_is_replaced_stays_until_the_new_one_is_stored(toy_tasks):
    """A start that was to redo everything is stopped, and all results are gone."""
    tasks = toy_tasks("results", ["vanilla"], seeds=(0, 1))
    assert all(outcome.error is None for outcome in InProcess().run(tasks))
    store = Store(tasks[0].results_dir)

    def checksum(task):
        return store.read(task.job.job_id)["checksum"]

    first, second = (replace(task, replaces=checksum(task)) for task in tasks)
    runs = InProcess().run([first, second])
    assert next(runs).error is None
    runs.close()
    assert checksum(first) != first.replaces
    assert checksum(second) == second.replaces
    # What a second sweep, or a second try of the same worker, has stored is not replaced.
    again = checksum(first)
    [outcome] = InProcess().run([first])
    assert outcome.elsewhere
    assert checksum(first) == again


@pytest.fixture
def by_another_sweep(toy_tasks):
    """Tasks that another sweep has done since they were planned, and their store."""
    tasks = toy_tasks("results", ["vanilla", "ncm"])
    assert all(outcome.error is None for outcome in InProcess().run(tasks))
    return tasks, Store(tasks[0].results_dir)


def test_a_run_of_another_sweep_counts_though_its_model_was_not_kept(by_another_sweep):
    """Where another sweep keeps no models, all its runs are trained once more."""
    tasks, store = by_another_sweep
    for task in tasks:
        store.forget_model(task.job.job_id)
    [outcome] = InProcess().run(tasks[:1])
    assert outcome.elsewhere
    shutil.rmtree(store.root / "runs" / tasks[1].job.job_id)
    first, second = InProcess().run(tasks)  # the second needs the first one's model
    assert (first.error, first.elsewhere, second.error) == (None, False, None)
    assert store.has_weights(tasks[0].job.job_id)


@pytest.mark.parametrize("keep_changed", [False, True])
def test_a_run_of_another_sweep_with_other_code_counts_only_where_such_are_kept(
    by_another_sweep, keep_changed
):
    """A method is edited while a sweep goes on, and the next one takes over what that one makes."""
    tasks, store = by_another_sweep
    [task, _] = (replace(task, keep_changed=keep_changed) for task in tasks)
    record = store.read(task.job.job_id)
    store.renew({**record, "sources": {**record["sources"], "bench/seeds.py": "0" * 16}})
    [outcome] = InProcess().run([task])
    assert (outcome.error, outcome.elsewhere) == (None, keep_changed)
    assert (store.read(task.job.job_id)["sources"] == record["sources"]) is not keep_changed


def test_sbatch_gets_what_the_settings_ask_for(toy_tasks, tmp_path, commands):
    pytest.importorskip("submitit")
    commands(sbatch=f'cat "$1" > {tmp_path}/script; echo Submitted batch job 7')
    [task] = toy_tasks("results", ["vanilla"])
    executor = _executor(
        task.results_dir, name="slurm", partition="short", minutes=90, memory_gb=3, gpus=1,
        sbatch={"constraint": "rome"},
    )  # fmt: skip
    assert isinstance(executor, Slurm)
    assert executor.side_by_side == 2
    executor.open()
    executor.start([task], Watcher())
    script = (tmp_path / "script").read_text()
    for line in ("partition=short", "time=90", "mem=3GB", "gpus-per-node=1", "constraint=rome",
                 "cpus-per-task=1"):  # fmt: skip
        assert f"#SBATCH --{line}\n" in script
    assert "export PYTHONPATH=" in script
    executor.close()


def test_a_submission_that_is_refused_is_named(toy_tasks, commands):
    pytest.importorskip("submitit")
    commands(sbatch="echo 'sbatch: error: invalid partition specified: NAME' >&2; exit 1")
    [task] = toy_tasks("results", ["vanilla"])
    with pytest.raises(UnavailableError, match=r"invalid partition .*executor\.partition"):
        list(_executor(task.results_dir, name="slurm", partition="NAME").run([task]))
    assert not list(task.cache_dir.glob("submitit-*"))


def test_without_slurm_the_way_out_is_named(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="login node"):
        _executor(tmp_path, name="slurm")


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
@pytest.mark.fault(59)
def test_a_package_that_is_not_installed_is_named_with_the_way_to_get_it(
    tmp_path, monkeypatch, name, package
):
    """A missing extra is a traceback instead of the line to type."""
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(UnavailableError, match=f"package {package} .*-r requirements-cluster.txt"):
        _executor(tmp_path, name=name)


def test_an_address_needs_ray(tmp_path):
    with pytest.raises(UsageError, match="--executor ray"):
        _executor(tmp_path, address="127.0.0.1:6379")
    with pytest.raises(UsageError, match=r"executor\.name.*'dask'"):
        _executor(tmp_path, name="dask")
