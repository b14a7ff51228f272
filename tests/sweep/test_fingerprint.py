"""Which code is behind a run, and what follows when it changes."""

import importlib
import sys
from pathlib import Path

import pytest

import bench
from bench import sources
from bench.method import METHODS
from bench.sweep import fingerprint
from bench.sweep.fingerprint import (
    changed_files,
    changes_in_words,
    registering_modules,
    sources_of_job,
    sources_of_run,
)
from tests.sweep.test_plan import _jobs

ROOT = Path(bench.__file__).parents[1]


def _sources(method, **overrides):
    [job] = _jobs(splits=["random"], methods=[method], **overrides)
    return sources_of_job(job)


@pytest.mark.parametrize(
    ("method", "files"),
    [
        ("cb", {"bench/methods/cb.py", "bench/methods/losses/class_weights.py"}),
        (
            "decoupling",
            {
                "bench/methods/decoupling.py",
                "bench/methods/vanilla.py",
                "bench/methods/_posthoc.py",
            },
        ),
        (
            "sdr",
            {"bench/methods/contrastive/augmentations.py", "bench/methods/losses/subcluster.py"},
        ),
        ("calibrated_stack", {"bench/methods/ecfp_forest.py", "bench/methods/balanced_softmax.py"}),
    ],
)
def test_a_method_is_all_that_it_imports_and_depends_on(method, files):
    assert files < _sources(method).keys()


def test_a_run_is_told_which_files_register_what_it_is_made_of():
    [job] = _jobs(splits=["random"], methods=["dive"], datasets=["davis"])
    assert registering_modules(job) == {
        "bench.methods.dive", "bench.methods.balanced_softmax", "bench.datasets.davis",
        "bench.data.splits.random", "bench.models.gcn",
    }  # fmt: skip


def test_a_package_from_outside_is_looked_for_as_a_whole(plugged):
    plugged(
        mine=f"from bench.method import METHODS, register_method\n@{REGISTER}\n"
        "class Mine(METHODS.get('focal').cls):\n    pass",
    )
    [job] = _jobs(splits=["random"], methods=["mine"])
    assert registering_modules(job) == {
        "bench.data.splits.random", "bench.models.gcn", "bench.datasets.hiv",
    }  # fmt: skip


def test_what_every_run_shares_is_behind_each():
    shared = {
        "bench/data/featurise.py", "bench/data/molecules.py", "bench/data/batch.py",
        "bench/models/network.py", "bench/models/gcn.py", "bench/models/_environment_kernels.py",
        "bench/training/run.py", "bench/training/loop.py", "bench/training/evaluation.py",
        "bench/metrics/confusion.py", "bench/seeds.py", "bench/method.py",
        "bench/data/splits/random.py", "bench/datasets/hiv.py",
    }  # fmt: skip
    for entry in METHODS:
        assert shared <= _sources(entry.name).keys()


def test_every_file_of_methods_is_behind_one():
    files = {
        f"bench/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "methods").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert files <= set().union(*(_sources(entry.name) for entry in METHODS))


def test_data_split_and_encoder_are_those_of_the_run():
    one = _sources("vanilla").keys()
    assert "bench/datasets/davis.py" in _sources("vanilla", datasets=["davis"]).keys() - one
    other = _sources("vanilla", **{"backbones.molecule": "gcn_dgl"}).keys()
    assert "bench/models/gcn_dgl.py" in other - one


def test_what_stores_shows_and_checks_is_behind_none():
    assert not any(
        file.startswith(("bench/report", "bench/sweep", "bench/commands", "bench/compliance"))
        for file in _sources("calibrated_stack")
    )


def test_a_run_has_the_code_that_made_what_it_depends_on():
    """A run that depends on a kept one is not made by the present code alone."""
    [job] = _jobs(splits=["random"], methods=["decoupling"])
    [needed] = job.requires.values()
    now = sources_of_job(job)
    records = {
        needed.job_id: {"sources": {**sources_of_job(needed), "bench/methods/vanilla.py": "0"}}
    }
    made = sources_of_run(job, records.get)
    assert changed_files({"sources": made}, now) == ("bench/methods/vanilla.py",)
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


def test_changed_files_are_one_sentence_those_behind_most_runs_first():
    one = ("bench/methods/cdt.py",)
    assert changes_in_words([one] * 6 + [None, ()]) == [
        "bench/methods/cdt.py has changed since 6 of these runs.",
        "The code that made 1 of these runs is not recorded.",
    ]
    assert changes_in_words([one] * 6 + [tuple("abcd")]) == [
        "bench/methods/cdt.py, a, b, c and 1 more have changed since 7 of these runs, some since "
        "fewer.",
    ]
    assert changes_in_words([()]) == []


def _write_package(folder, monkeypatch, **files):
    """A package ``plugins`` from outside, imported by its name."""
    (folder / "plugins").mkdir()
    for name, text in ({"__init__": ""} | files).items():
        (folder / "plugins" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """Writes files of a package, imports ``plugins.mine``, and gives what is behind ``mine``."""
    METHODS.discover()

    def find(**files):
        _write_package(tmp_path, monkeypatch, **files)
        importlib.import_module("plugins.mine")
        return {file for file in _sources("mine") if file.startswith(("plugins", "bench/methods"))}

    yield find
    METHODS._entries.pop("mine", None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "plugins"]:
        del sys.modules[name]
    sources._READ.clear()
    fingerprint._sources.cache_clear()


REGISTER = "register_method('mine', title='M', group='extension', reference='none')"


def test_a_class_that_a_function_elsewhere_makes_is_of_the_file_that_registers_it(plugged):
    found = plugged(
        factory="from bench.method import Method\n"
        "def make(x):\n    return type('Mine', (Method,), {'x': x})",
        mine="from bench.method import register_method\n"
        f"from plugins.factory import make\n{REGISTER}(make(0.1))",
    )
    assert found == {"plugins/mine.py", "plugins/factory.py"}


@pytest.mark.parametrize("line", ["from bench.losses import cdt_loss", "import bench.losses"])
def test_a_loss_that_is_offered_to_all_is_behind_what_uses_it(plugged, line):
    assert "bench/methods/losses/cdt.py" in plugged(
        mine=f"{line}\nfrom bench.method import Method, register_method\n"
        f"@{REGISTER}\nclass Mine(Method):\n    pass"
    )


def test_a_class_that_derives_from_a_looked_up_one_has_that_ones_file_behind_it(plugged):
    found = plugged(
        mine="from bench.method import METHODS, register_method\n"
        f"@{REGISTER}\nclass Mine(METHODS.get('focal').cls):\n    pass",
    )
    assert found == {
        "plugins/mine.py", "bench/methods/focal.py",
        *(file for file in _sources("focal") if file.startswith("bench/methods/")),
    }  # fmt: skip
