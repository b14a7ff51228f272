import signal
import time
from functools import partial

import pytest

from bench.processes import Process
from bench.sweep.store import Store
from tests.faults.sweep_commands import TWELVE, Command, figures, left_behind


def _slow_write(marker, seconds=0.5):
    """Makes the writing of a record take a while that is waited for, and says when it has begun."""
    from bench.sweep import local, store

    local._GRACE_SECONDS = max(local._GRACE_SECONDS, seconds)

    original = store._contiguous

    def contiguous(arrays):
        marker.touch()
        time.sleep(seconds)
        return original(arrays)

    store._contiguous = contiguous


def _wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.fault(9)
@pytest.mark.parametrize(
    ("jobs", "number"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGTERM)]
)
def test_an_interrupt_finishes_the_write_and_the_same_command_goes_on(tmp_path, jobs, number):
    """Ctrl-C throws away the run that was just being stored, or leaves half of it."""
    arguments = ("--methods", "vanilla,cb", "--jobs", jobs)
    marker = tmp_path / "writing"
    command = Command(tmp_path, *arguments, prepare=partial(_slow_write, marker))
    _wait_for(marker)
    command.send(number)
    assert command.wait() == 130
    done = len(list(Store(command.out).records()))
    assert 1 <= done <= jobs
    again = Command(tmp_path, *arguments)
    assert again.wait() == 0
    assert f"{done} done before" in again.log.read_text()
    assert left_behind(again.out) == []


@pytest.mark.fault(9)
def test_a_second_interrupt_ends_at_once_and_nothing_is_corrupt(tmp_path):
    """An impatient second Ctrl-C is waited out, or leaves a result that cannot be read."""
    marker = tmp_path / "writing"
    command = Command(tmp_path, *TWELVE, prepare=partial(_slow_write, marker, seconds=300))
    _wait_for(marker)
    command.send(signal.SIGINT)
    time.sleep(0.5)
    assert command.process.is_alive()  # the first waits for what is being written
    command.send(signal.SIGINT)
    assert command.wait() in (130, -signal.SIGINT)
    assert list(Store(command.out).records()) == []
    for path in (command.out / "runs").glob("[!.]*"):
        assert Store(command.out).read(path.name) is not None
    again = Command(tmp_path, *TWELVE)
    assert again.wait() == 0
    assert {row["status"] for row in figures(again.out)} == {"complete"}
    assert left_behind(again.out) == []


def _hanging_method(folder):
    """A method whose runs say which process they are, and then hang."""
    from bench.method import Method, register_method

    @register_method("hangs", title="hangs", group="extension", reference="none")
    class Hangs(Method):
        def begin_epoch(self, epoch, network):
            (folder / "process-{}-{}-{}".format(*Process.current())).touch()
            time.sleep(600)


def test_runs_end_with_the_main_process_even_when_it_is_killed(tmp_path):
    """Runs of a killed sweep go on unseen and eat the machine."""
    command = Command(tmp_path, "--methods", "hangs", "--seeds", "0,1", "--jobs", "2",
                      prepare=partial(_hanging_method, tmp_path))  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("process-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    command.send(signal.SIGKILL)
    names = [path.name.split("-")[1:] for path in tmp_path.glob("process-*")]
    runs = [Process(place, int(pid), int(started)) for place, pid, started in names]
    while not all(run.has_ended() for run in runs):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    command.process.join()
