"""Which code is behind a run, and what follows when it changes."""

from pathlib import Path

import pytest

import bench
from bench.method import METHODS
from bench.sweep.fingerprint import changed_files, changes_in_words, sources_of_job, sources_of_run
from tests.sweep.test_plan import _jobs

ROOT = Path(bench.__file__).parents[1]


def _sources(method, **overrides):
    [job] = _jobs(splits=["random"], methods=[method], **overrides)
    return sources_of_job(job)


@pytest.mark.parametrize(
    ("method", "files"),
    [
        ("cb", {"methods/cb.py", "methods/losses/class_weights.py"}),
        ("decoupling", {"methods/decoupling.py", "methods/vanilla.py", "methods/_posthoc.py"}),
        ("sdr", {"methods/contrastive/augmentations.py", "methods/losses/subcluster.py"}),
        ("calibrated_stack", {"methods/ecfp_forest.py", "methods/balanced_softmax.py"}),
    ],
)
def test_a_method_is_all_that_it_imports_and_depends_on(method, files):
    assert files < _sources(method).keys()


def test_what_every_run_shares_is_behind_each():
    shared = {
        "bench/data/featurise.py", "bench/data/molecules.py", "bench/data/batch.py",
        "bench/models/network.py", "bench/models/gcn.py", "bench/models/_environment_kernels.py",
        "bench/training/run.py", "bench/training/loop.py", "bench/training/evaluation.py",
        "bench/metrics/confusion.py", "bench/seeds.py", "bench/method.py",
        "bench/data/splits/random.py", "datasets/hiv.py",
    }  # fmt: skip
    for entry in METHODS:
        assert shared <= _sources(entry.name).keys()


def test_every_file_of_methods_is_behind_one():
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "methods").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert files <= set().union(*(_sources(entry.name) for entry in METHODS))


def test_data_split_and_encoder_are_those_of_the_run():
    one = _sources("vanilla").keys()
    assert "datasets/davis.py" in _sources("vanilla", datasets=["davis"]).keys() - one
    other = _sources("vanilla", **{"backbones.molecule": "gcn_dgl"}).keys()
    assert "bench/models/gcn_dgl.py" in other - one


def test_what_stores_shows_and_checks_is_behind_none():
    assert not any(
        file.startswith(("bench/report", "bench/sweep", "bench/commands", "bench/compliance"))
        for file in _sources("calibrated_stack")
    )


def test_a_run_has_the_code_that_made_what_it_depends_on():
    """A run that builds on a kept one is not made by the present code alone."""
    [job] = _jobs(splits=["random"], methods=["decoupling"])
    [needed] = job.requires.values()
    now = sources_of_job(job)
    records = {needed.job_id: {"sources": {**sources_of_job(needed), "methods/vanilla.py": "0"}}}
    made = sources_of_run(job, records.get)
    assert changed_files({"sources": made}, now) == ("methods/vanilla.py",)
    assert sources_of_run(job, {needed.job_id: {}}.get) == {}
    assert sources_of_run(needed, {}.get) == sources_of_job(needed)


def test_changes_are_files_that_differ_came_or_went():
    now = {"a.py": "1", "b.py": "1", "c.py": "1"}
    assert changed_files({"sources": now}, now) == ()
    assert changed_files({"sources": {"a.py": "1", "b.py": "2", "d.py": "1"}}, now) == (
        "b.py", "c.py", "d.py",
    )  # fmt: skip
    assert changed_files({}, now) is None
    assert changed_files({"sources": {}}, now) is None


def test_changes_are_named_with_the_number_of_runs():
    changes = [("methods/cdt.py",)] * 6 + [None, (), tuple("abcdef")]
    assert changes_in_words(changes) == [
        "methods/cdt.py has changed since 6 of these runs.",
        "The code that made 1 of these runs is not recorded.",
        "a, b, c, d and 2 more files have changed since 1 of these runs.",
    ]
