"""Runs that fail in every way there is, among runs that do not."""

import json
import os
import resource
import time

import pytest

from bench.sweep.store import Store
from tests.faults.sweep_commands import Command, figures

# Six that succeed and four that do not.
TEN = ("--methods", "hangs,vanilla,cb,focal,raises,out_of_memory,exits,ib,vs,cost_sensitive",
       "--jobs", "2", "--max-minutes", "0.15")  # fmt: skip


def _bad_methods():
    """Registers the four, in the process of the command alone."""
    import torch

    from bench.method import Method, register_method

    def fails(name):
        return register_method(name, title=name, group="extension", reference="none")

    @fails("raises")
    class Raises(Method):
        def loss(self, logits, labels):
            raise ZeroDivisionError("by design")

    @fails("out_of_memory")
    class OutOfMemory(Method):
        def loss(self, logits, labels):
            with open("/proc/self/statm") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
            return torch.ones(2**28).sum()

    @fails("exits")
    class Exits(Method):
        def loss(self, logits, labels):
            os._exit(9)

    @fails("hangs")
    class Hangs(Method):
        def begin_epoch(self, epoch, network):
            if epoch == 2:
                time.sleep(600)


def _mended_methods():
    """The same names, now harmless."""
    from bench.method import Method, register_method

    for name in ("raises", "out_of_memory", "exits", "hangs"):
        register_method(name, title=name, group="extension", reference="none")(
            type(name, (Method,), {})
        )


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """Folder, exit code and screen of the ten runs."""
    folder = tmp_path_factory.mktemp("isolation")
    command = Command(folder, *TEN, prepare=_bad_methods)
    code = command.wait()
    return folder, code, command.log.read_text()


def _failures(folder):
    found = {}
    for path in (folder / "results" / "failures").iterdir():
        failure = Store(folder / "results").read_failure(path.stem)
        found[failure["job"]["method"]["name"]] = failure
    return found


@pytest.mark.fault(10)
def test_four_that_fail_in_four_ways_leave_the_other_six_alone(failed):
    """One run that crashes, hangs or eats the memory takes the sweep with it, or is hidden."""
    folder, code, screen = failed
    assert code == 1
    status = [row["status"] for row in figures(folder / "results")]
    assert (status.count("complete"), status.count("failed")) == (6, 4)
    failures = _failures(folder)
    kinds = {name: failure["status"] for name, failure in failures.items()}
    assert kinds == {
        "raises": "failed", "out_of_memory": "failed", "exits": "died", "hangs": "timed-out",
    }  # fmt: skip
    assert failures["raises"]["reason"] == "ZeroDivisionError: by design"
    assert "memory" in failures["out_of_memory"]["reason"]
    assert failures["exits"]["reason"] == "the process of the run ended with exit code 9"
    assert failures["hangs"]["reason"].startswith("stopped after 0.15 minutes")
    assert failures["hangs"]["epochs"] == 1
    assert failures["hangs"]["peak_memory_bytes"] > 2**20
    for failure in failures.values():
        assert (failure["seed"], failure["attempts"]) == (0, 1)
    assert "by design" in failures["raises"]["traceback"]
    table = screen.partition("Failed runs")[2]
    for failure in failures.values():
        assert failure["reason"][:40] in table


@pytest.mark.fault(11)
def test_failed_runs_are_mended_by_the_next_start(failed):
    """A failure is kept as a result, and the mended run is never tried."""
    folder, _, _ = failed
    before = [row for row in figures(folder / "results") if row["status"] == "complete"]
    command = Command(folder, *TEN, prepare=_mended_methods)
    assert command.wait() == 0, command.log.read_text()
    assert "6 done before, 4 to do (1 from a checkpoint, 3 again after a failure)" in (
        command.log.read_text()
    )
    rows = figures(folder / "results")
    assert {row["status"] for row in rows} == {"complete"}
    assert [row for row in rows if row in before] == before
    assert _failures(folder) == {}


def _raising_method():
    from bench.method import Method, register_method

    @register_method("raises", title="raises", group="extension", reference="none")
    class Raises(Method):
        def loss(self, logits, labels):
            raise ZeroDivisionError("by design")


@pytest.mark.fault(11)
def test_a_run_that_always_fails_is_left_after_as_many_attempts_as_were_allowed(tmp_path):
    """A run that can never succeed costs its time at every start, for ever."""

    def start(*more):
        command = Command(tmp_path, "--methods", "raises", "--jobs", "1", "--retries", "2", *more,
                          prepare=_raising_method)  # fmt: skip
        assert command.wait() == 1
        [path] = (command.out / "failures").iterdir()
        text = command.log.read_text()
        command.log.unlink()
        return json.loads(path.read_text())["attempts"], text

    assert start()[0] == 1
    assert start()[0] == 2
    attempts, text = start()
    assert attempts == 2
    assert "0 to do" in text
    assert "Not tried: 1 run that failed too often" in text
    words = ("--methods", "raises", "--jobs", "1", "--retries", "2", "--dry-run")
    looked = Command(tmp_path, *words, prepare=_raising_method)
    assert looked.wait() == 0
    text = looked.log.read_text()
    looked.log.unlink()
    assert "Not tried: 1 run that failed too often" in text
    assert "gave up toy · random · raises" in text
    assert "1 run: 0 done, 0 to do" in text
    assert start("--retry-failed")[0] == 3
    attempts, text = start("--force")
    assert (attempts, "1 to do (1 from the start)" in text) == (1, True)
