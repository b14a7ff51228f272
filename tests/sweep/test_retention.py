"""Which models stay once a benchmark is done."""

import pytest

from bench.sweep.plan import with_required
from bench.sweep.retention import models_to_forget
from tests.sweep.test_plan import _jobs


def _record(job, score=0.5):
    return {
        "job_id": job.job_id,
        "job": {"requires": {role: other.job_id for role, other in job.requires.items()}},
        "selection": {"valid_balanced_accuracy": score},
    }


def _forgotten(jobs, records, keep):
    ids = {job.job_id: job for job in jobs}
    return [
        (job.method.name, job.seed)
        for job in map(ids.__getitem__, models_to_forget(jobs, records, keep))
    ]


def test_all_and_none():
    jobs = _jobs(splits=["random"], methods=["vanilla", "cb"])
    records = [_record(job) for job in jobs]
    assert _forgotten(jobs, records, "all") == []
    assert _forgotten(jobs, records, "none") == [("vanilla", 0), ("cb", 0)]


def test_what_a_run_builds_on_stays():
    jobs = with_required(_jobs(splits=["random"], methods=["dive", "vanilla"]))
    records = [_record(job) for job in jobs]
    assert _forgotten(jobs, records, "none") == [("dive", 0), ("vanilla", 0)]
    # So it does for a run of an earlier benchmark, and for one that failed.
    [teacher] = [job for job in jobs if job.method.name == "balanced_softmax"]
    [dive] = [job for job in jobs if job.method.name == "dive"]
    assert _forgotten([teacher], [_record(teacher), _record(dive)], "none") == []
    assert _forgotten(jobs, [_record(teacher)], "none") == []


def test_the_best_seed_of_each_row_and_column():
    jobs = _jobs(splits=["random", "standard"], methods=["vanilla"], seeds=[0, 1, 2])
    scores = [0.6, 0.7, 0.7, 0.9, None, 0.2]
    records = [_record(job, score) for job, score in zip(jobs, scores, strict=True)]
    forgotten = models_to_forget(jobs, records, "best")
    kept = [place for place, job in enumerate(jobs) if job.job_id not in forgotten]
    assert kept == [1, 3]


def test_options_make_another_row():
    jobs = _jobs(splits=["random"], methods=["cb", "cb[beta=0.9]"])
    records = [_record(job, score) for job, score in zip(jobs, (0.1, 0.9), strict=True)]
    assert models_to_forget(jobs, records, "best") == []


def test_encoders_make_other_rows():
    """Of a row that was run with two encoders, one has no model left."""
    jobs = _jobs(splits=["random"], methods=["vanilla", "vanilla[backbone=gin]"], seeds=[0, 1])
    scores = {("gcn", 0): 0.1, ("gcn", 1): 0.2, ("gin", 0): 0.9, ("gin", 1): 0.8}
    records = [_record(job, scores[job.encoder, job.seed]) for job in jobs]
    forgotten = set(models_to_forget(jobs, records, "best"))
    kept = {(job.encoder, job.seed) for job in jobs if job.job_id not in forgotten}
    assert kept == {("gcn", 1), ("gin", 0)}


def test_of_trials_none_is_a_best_one():
    table, trials = (_jobs(splits=["random"], methods=["cb"], seeds=[seed]) for seed in (0, 100))
    records = [_record(job) for job in (*table, *trials)]
    for keep, forgotten in (("all", []), ("best", trials), ("none", [*table, *trials])):
        found = models_to_forget(table, records, keep, trials)
        assert found == [job.job_id for job in forgotten]


@pytest.mark.parametrize("keep", ["best", "none"])
def test_a_run_that_is_not_done_has_no_model(keep):
    assert models_to_forget(_jobs(splits=["random"]), [], keep) == []
