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
    """Kills the workers of runs as soon as they have done an epoch, so often as `times` says."""

    def __init__(self, times):
        self.times, self.killed = times, {job_id: set() for job_id in times}

    def epoch(self, job_id, report):
        if len(self.killed.get(job_id, ())) < self.times.get(job_id, 0):
            for pid in _workers(job_id):
                os.kill(pid, signal.SIGKILL)
                self.killed[job_id].add(pid)


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


def test_a_worker_killed_once_loses_nothing_and_one_killed_too_often_is_one_failure(
    cluster, toy_tasks, stored
):
    alone = toy_tasks("one", ["dive"], epochs=EPOCHS)
    list(InProcess().run(alone))
    tasks = toy_tasks("ray", ["dive", "vanilla_tuned"], epochs=EPOCHS)
    job_ids = {task.job.method.name: task.job.job_id for task in tasks}
    times = {job_ids["balanced_softmax"]: 1, job_ids["vanilla"]: RETRIES + 1}
    killer = _Killer(times)
    executor = RayCluster(None, tasks[0].results_dir, address=cluster, gpus=0)
    errors = {outcome.job_id: outcome.error for outcome in executor.run(tasks, killer)}
    assert {job_id: len(killed) for job_id, killed in killer.killed.items()} == times
    lost = f"the worker process of the run was lost {RETRIES + 1} times"
    assert errors.pop(job_ids["vanilla"]) == lost
    assert f"failed: {lost}" in errors.pop(job_ids["vanilla_tuned"])
    assert Store(tasks[0].results_dir).read_failure(job_ids["vanilla"])["reason"] == lost
    assert errors == dict.fromkeys((job_ids["balanced_softmax"], job_ids["dive"]))
    assert stored([task for task in tasks if task.job.job_id in errors]) == stored(alone)
    left = sorted(path.name for path in tasks[0].results_dir.iterdir())
    assert left == [".leases", "checkpoints", "failures", "runs"]


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
