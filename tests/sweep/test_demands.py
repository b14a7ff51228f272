"""Methods that ask for packages or kinds of input, where they are not there."""

import pytest

from bench.commands import progress
from bench.commands.listing import show_registered
from bench.config import resolve
from bench.errors import DataError, UnavailableError
from bench.method import METHODS, Estimator, register_method, usable_methods
from bench.sweep.plan import expand, left_out, make_jobs, require_packages
from tests.sweep.test_plan import _jobs


@pytest.fixture(autouse=True)
def methods(monkeypatch):
    METHODS.discover()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    @register_method("lacks", title="Lacks", group="peer", reference="none")
    class Lacks(Estimator):
        needs = {"no_such_package_here": "pip install it"}  # noqa: RUF012

    @register_method("picky", title="Picky", group="peer", reference="none")
    class Picky(Estimator):
        @classmethod
        def refusal(cls, options, kinds):
            return "Expected no protein." if "protein" in kinds else None

        @classmethod
        def epochs(cls, options):
            return 50


@pytest.mark.parametrize("named", ["all", "peer"])
def test_a_group_leaves_out_what_lacks_a_package(named):
    names = [part.name for part in expand(resolve("quick", {"methods": [named]}).settings).methods]
    assert "lacks" not in names
    assert "picky" in names
    assert "no_such_package_here" in left_out([named])["lacks"]


def test_only_a_group_that_holds_it_leaves_it_out():
    assert "lacks" not in left_out(["vanilla", "paper"])
    assert "lacks" not in usable_methods()


def test_asked_for_by_name_it_is_refused_before_it_runs():
    jobs = _jobs(methods=["vanilla", "lacks"], splits=["random"], seeds=[0])
    with pytest.raises(UnavailableError, match=r"'lacks' .* Run: pip install it"):
        require_packages(jobs)
    require_packages([job for job in jobs if job.method.name == "vanilla"])


def test_the_list_says_what_to_install(capsys):
    show_registered("methods", long=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "Lacks peer cannot be used here: it needs the package no_such_package_here" in said


def test_inputs_that_it_cannot_take_are_refused_in_the_plan():
    grid = expand(resolve("quick", {"methods": ["picky"], "datasets": ["hiv", "davis"]}).settings)
    kinds = {"hiv": ["molecule"], "davis": ["molecule", "protein"]}
    sha = dict.fromkeys(kinds, "0" * 64)
    with pytest.raises(DataError, match=r"^davis · picky: Expected no protein.$"):
        make_jobs(grid, sha, kinds)
    assert make_jobs(grid, sha, {key: ["molecule"] for key in kinds})


def test_the_bar_of_a_run_is_as_long_as_its_own_epochs():
    jobs = _jobs(methods=["vanilla", "picky"], splits=["random"], seeds=[0])
    found = {job.method.name: progress._epochs(job) for job in jobs}
    assert found == {"vanilla": jobs[0].training.epochs, "picky": 50}
