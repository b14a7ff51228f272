import os

import pytest

from bench.sweep.fingerprint import sources_of_job
from bench.sweep.plan import with_required
from bench.sweep.policy import Policy
from bench.sweep.resume import triage_jobs
from bench.sweep.store import Store
from tests.sweep.test_plan import _jobs


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.require_writable()
    return store


def _ids(jobs):
    return [job.job_id for job in jobs]


def test_each_job_is_of_one_kind(store):
    jobs = _jobs(splits=["random"], seeds=[0, 1, 2, 3, 4])
    done, failed, stopped, left, new = _ids(jobs)
    store.write_failure(failed, {"attempts": 2})
    store.write_failure(stopped, {"attempts": 1})
    store.checkpoint(stopped).write_text("")
    store.write_failure(left, {"attempts": 3})
    load = triage_jobs(jobs, {done}, (), store, Policy())
    assert [_ids(kind) for kind in (load.retried, load.resumed, load.given_up, load.new)] == [
        [failed], [stopped], [left], [new],
    ]  # fmt: skip
    assert load.attempts == {failed: 2, stopped: 1, new: 0}
    assert load.kinds() == "1 from a checkpoint, 1 again after a failure, 1 from the start"


def test_what_was_left_is_tried_again_when_asked_for(store):
    [job] = _jobs(splits=["random"])
    store.write_failure(job.job_id, {"attempts": 3})
    assert _ids(triage_jobs([job], (), (), store, Policy()).given_up) == [job.job_id]
    assert _ids(triage_jobs([job], (), (), store, Policy(attempts=4)).retried) == [job.job_id]
    assert _ids(triage_jobs([job], (), (), store, Policy(retry_failed=True)).retried) == [
        job.job_id
    ]


def test_a_file_that_was_mended_since_is_tried_as_if_it_never_failed(store):
    [job] = _jobs(splits=["random"])
    now = sources_of_job(job)
    store.write_failure(job.job_id, {"attempts": 3, "sources": now})
    assert _ids(triage_jobs([job], (), (), store, Policy()).given_up) == [job.job_id]
    store.write_failure(job.job_id, {"attempts": 3, "sources": {**now, "bench/method.py": "0"}})
    load = triage_jobs([job], (), (), store, Policy())
    assert (_ids(load.new), load.attempts) == ([job.job_id], {job.job_id: 0})


def test_what_builds_on_a_run_that_is_left_is_left(store):
    [job] = _jobs(splits=["random"], methods=["dive"])
    [needed] = job.requires.values()
    store.write_failure(needed.job_id, {"attempts": 3})
    assert _ids(triage_jobs([needed, job], (), (), store, Policy()).given_up) == [
        needed.job_id,
        job.job_id,
    ]


def _stored(store, job, *weights):
    """A folder of a finished run, with weights or without."""
    (store.root / "runs" / job.job_id).mkdir()
    for name in weights:
        (store.root / "runs" / job.job_id / name).write_text("")


def test_a_run_without_weights_is_done_again_for_one_that_builds_on_it(store):
    [job] = _jobs(splits=["random"], methods=["dive"])
    jobs = with_required([job])
    *needed, _ = jobs
    for other in needed:
        _stored(store, other)
    done = _ids(needed)
    load = triage_jobs(jobs, done, (), store, Policy())
    # What a run depends on is needed again as well, as that run itself is to do.
    assert _ids(load.again) == done
    assert list(load.attempts) == _ids(jobs)
    assert load.kinds() == f"{len(done)} to do again for their weights, 1 from the start"
    # Finished itself, or given up, it needs nothing.
    assert triage_jobs(jobs, _ids(jobs), (), store, Policy()).attempts == {}
    store.write_failure(job.job_id, {"attempts": 3})
    assert triage_jobs(jobs, done, (), store, Policy()).attempts == {}


def test_a_run_with_weights_is_not_done_again(store):
    [job] = _jobs(splits=["random"], methods=["dive"])
    jobs = with_required([job])
    *needed, _ = jobs
    for other in needed:
        _stored(store, other, "model.safetensors")
    assert _ids(triage_jobs(jobs, _ids(needed), (), store, Policy()).new) == [job.job_id]


def test_a_run_that_other_code_made_is_done_again_whether_or_not_it_has_a_checkpoint(store):
    [job] = _jobs(splits=["random"])
    _stored(store, job, "model.safetensors")
    os.utime(store.root / "runs" / job.job_id / "model.safetensors", (0, 0))
    for _ in range(2):
        load = triage_jobs([job], (), {job.job_id}, store, Policy())
        assert _ids(load.changed) == [job.job_id]
        assert not load.resumed
        assert load.kinds() == "1 again as their code has changed"
        store.checkpoint(job.job_id).write_text("")
        store.tidy()
        assert store.checkpoint(job.job_id).exists()
