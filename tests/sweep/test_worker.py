"""A worker trains what was planned or nothing, and reads of other runs what it hands on."""

from dataclasses import replace

import pytest
import torch

from bench.compliance.rules import violations_of_shape
from bench.sweep import worker
from bench.sweep.store import Store
from bench.sweep.worker import execute
from bench.training import run as training_run


def test_a_split_other_than_planned_is_refused(toy_tasks):
    [task] = toy_tasks("results", ["vanilla"])
    outcome = execute(replace(task, split_hash="0" * 64))
    assert outcome.error.startswith("Expected the split 000000000000 that was planned, but ")
    assert task.split_hash[:12] in outcome.error
    assert Store(task.results_dir).read(task.job.job_id) is None
    assert execute(task).error is None


def test_samples_other_than_planned_are_refused(toy_tasks):
    [task] = toy_tasks("results", ["vanilla"])
    other = replace(task, job=replace(task.job, content_sha256="0" * 64))
    outcome = execute(other)
    assert outcome.error.startswith("Expected the samples 000000000000 that were planned, but ")
    assert task.job.content_sha256[:12] in outcome.error
    assert Store(task.results_dir).read(other.job.job_id) is None


@pytest.mark.parametrize(
    ("method", "read"), [("ncm", {"weights"}), ("calibrated_stack", {"predictions"})]
)
def test_of_a_run_to_build_on_only_what_is_asked_for_is_read(toy_tasks, monkeypatch, method, read):
    *needed, task = toy_tasks("results", [method])
    assert all(execute(other).error is None for other in needed)
    found = set()
    for what in ("weights", "predictions"):
        original = getattr(Store, what)

        def noted(store, job_id, what=what, original=original):
            found.add(what)
            return original(store, job_id)

        monkeypatch.setattr(Store, what, noted)
    assert execute(task).error is None
    assert found == read


def test_memory_of_a_gpu_that_runs_out_is_named(toy_tasks, monkeypatch):
    [task] = toy_tasks("results", ["vanilla"])

    def run(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(worker, "run", run)
    reason = execute(task).error
    assert reason == (
        "ran out of GPU memory, of which fewer --jobs need less: CUDA out of memory. Tried to "
        "allocate 2.00 GiB."
    )
    assert Store(task.results_dir).read_failure(task.job.job_id)["reason"] == reason


def test_the_record_holds_the_memory_of_a_gpu_where_there_was_one(toy_tasks, monkeypatch):
    [task] = toy_tasks("results", ["vanilla"])
    assert execute(task).error is None
    store = Store(task.results_dir)
    assert "peak_gpu_memory_bytes" not in store.read(task.job.job_id)["time"]
    monkeypatch.setattr(training_run, "peak_gpu_memory", lambda _: {"peak_gpu_memory_bytes": 7})
    [task] = toy_tasks("others", ["vanilla"])
    assert execute(task).error is None
    record = Store(task.results_dir).read(task.job.job_id)
    assert record["time"]["peak_gpu_memory_bytes"] == 7
    assert list(violations_of_shape(record)) == []
    record["time"]["peak_gpu_memory_bytes"] = -7
    assert [violation.rule for violation in violations_of_shape(record)] == ["time"]
