"""On a real Ray cluster of this machine, some of whose workers are killed while they work."""

import os
import signal
from pathlib import Path

import pytest

from bench.errors import UnavailableError
from bench.sweep.executor import Watcher
from bench.sweep.local import InProcess
from bench.sweep.ray_cluster import RETRIES, RayCluster
from bench.sweep.store import Store

# Long enough for a run to be still at work when its first epochs have been heard of.
EPOCHS = 150

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/cmdline").exists(), reason="workers are found through /proc"
)


@pytest.fixture(scope="module")
def cluster():
    """Address of a cluster of two cores that listens on the loopback interface only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        pytest.importorskip("ray")
        from ray.cluster_utils import Cluster

        started = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
        )
        yield started.address
        started.shutdown()


class _Killer(Watcher):
    """Kills the worker of one run as soon as it has done an epoch, some times over."""

    def __init__(self, victim, times):
        self.victim, self.times, self.killed, self.begun = victim, times, [], 0

    def started(self, job_id):
        self.begun += job_id == self.victim

    def epoch(self, job_id, report):
        if job_id == self.victim and len(self.killed) < self.times:
            for pid in _workers(job_id):
                os.kill(pid, signal.SIGKILL)
                self.killed.append(pid)


class _Hearer(Watcher):
    """Knows how far its one run has come; on a busy machine nowhere in the time it has."""

    epochs = 0

    def epoch(self, job_id, report):
        self.epochs = report.epoch


def _workers(job_id):
    """Processes of this test that are at the run, by the title that Ray gives them."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(f"ray::run {job_id}".encode()) and os.getpid() in _ancestors(process):
            yield int(process.name)


def _ancestors(process):
    """Of a folder in ``/proc``: another suite beside this one has a cluster of its own."""
    while process.name != "0":
        try:
            stat = (process / "stat").read_text()
        except OSError:
            return
        process = process.with_name(stat.rpartition(")")[2].split()[1])
        yield int(process.name)


def _run(cluster, tasks, victim, times):
    [job] = [task.job for task in tasks if task.job.method.name == victim]
    killer = _Killer(job.job_id, times)
    executor = RayCluster(None, tasks[0].results_dir, address=cluster, gpus=0)
    return killer, {outcome.job_id: outcome.error for outcome in executor.run(tasks, killer)}


def test_a_killed_worker_loses_nothing(cluster, toy_tasks, stored):
    methods = ("vanilla", "dive")
    alone = toy_tasks("one", methods, epochs=EPOCHS)
    list(InProcess().run(alone))
    tasks = toy_tasks("ray", methods, epochs=EPOCHS)
    killer, errors = _run(cluster, tasks, "balanced_softmax", times=1)
    assert len(killer.killed) == 1
    assert len(errors) == 3
    assert set(errors.values()) == {None}
    assert stored(tasks) == stored(alone)
    left = sorted(path.name for path in tasks[0].results_dir.iterdir())
    assert left == [".leases", "checkpoints", "failures", "runs"]


def test_a_worker_lost_again_and_again_is_one_failure(cluster, toy_tasks):
    tasks = toy_tasks("ray", ("vanilla", "dive"), epochs=EPOCHS)
    killer, errors = _run(cluster, tasks, "balanced_softmax", times=RETRIES + 1)
    assert len(set(killer.killed)) == RETRIES + 1
    by_method = {task.job.method.name: errors[task.job.job_id] for task in tasks}
    lost = f"the worker process of the run was lost {RETRIES + 1} times"
    assert by_method["balanced_softmax"] == lost
    assert f"failed: {lost}" in by_method["dive"]
    assert by_method["vanilla"] is None
    assert Store(tasks[0].results_dir).read_failure(killer.victim)["reason"] == lost


def test_a_run_past_its_time_is_ended_and_recorded(cluster, toy_tasks):
    tasks = toy_tasks("ray", ["vanilla"], epochs=100_000)
    executor = RayCluster(None, tasks[0].results_dir, 0.05, address=cluster, gpus=0)
    heard = _Hearer()
    [outcome] = executor.run(tasks, heard)
    assert outcome.status == "timed-out"
    failure = Store(tasks[0].results_dir).read_failure(outcome.job_id)
    assert failure["status"] == "timed-out"
    assert failure["epochs"] == heard.epochs


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_an_address_without_a_cluster_is_one_clear_error(tmp_path, address):
    words = rf"Expected a Ray cluster at {address}, .*`ray start --head`"
    with pytest.raises(UnavailableError, match=words):
        RayCluster(None, tmp_path, address=address, gpus=0)
