"""Sweeps that are killed at any moment, and what the next start makes of it."""

import random
import time

import pytest

from bench.sweep.store import Store
from tests.faults.sweep_commands import Command, figures, left_behind

# With the runs that dive depends on, eight.
EIGHT = ("--methods", "vanilla,cb,dive", "--seeds", "0,1", "--jobs", "2")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Figures of the eight runs, seconds they take, and the folder with data and cache."""
    folder = tmp_path_factory.mktemp("kill")
    assert Command(folder, *EIGHT, out="first").wait() == 0  # fills the cache
    started = time.monotonic()
    assert Command(folder, *EIGHT).wait() == 0
    return figures(folder / "results"), time.monotonic() - started, folder


def _kill_and_go_on(uninterrupted, number):
    """Kill the `number`-th sweep at its own random moment; the runs it had finished."""
    expected, seconds, folder = uninterrupted
    command = Command(folder, *EIGHT, out=f"killed-{number}")
    time.sleep(random.Random(number).uniform(0, seconds))
    command.kill()
    runs = command.out / "runs"
    finished = {}
    for path in runs.glob("[!.]*"):
        assert Store(command.out).read(path.name) is not None
        finished[path] = (path / "record.json").read_bytes()
    again = Command(folder, *EIGHT, out=command.out.name)
    assert again.wait() == 0, again.log.read_text()
    assert {path: (path / "record.json").read_bytes() for path in finished} == finished
    assert f"{len(finished)} done before" in again.log.read_text()
    assert figures(command.out) == expected
    assert left_behind(command.out) == []
    return len(finished)


@pytest.mark.fault(1)
def test_ten_sweeps_killed_at_random_lose_no_finished_run(uninterrupted):
    """A power cut leaves half-written results, or results that differ after going on."""
    finished = [_kill_and_go_on(uninterrupted, number) for number in range(10)]
    assert any(0 < count < 8 for count in finished)


@pytest.mark.slow
@pytest.mark.fault(1)
def test_fifty_sweeps_killed_at_random_lose_no_finished_run(uninterrupted):
    """A power cut leaves half-written results, or results that differ after going on."""
    finished = [_kill_and_go_on(uninterrupted, number) for number in range(100, 150)]
    assert sum(0 < count < 8 for count in finished) > 10
