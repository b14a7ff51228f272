import os
import shutil
import subprocess
import sys

import pytest

from bench import processes
from bench.processes import Process


def test_this_process_has_not_ended():
    assert Process.current() == Process.current()
    assert not Process.current().has_ended()


def test_a_process_has_ended_even_before_anybody_asked_for_its_exit_code():
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(sender, " ".join(map(str, Process.current())).encode())
        os._exit(0)
    place, number, started = os.read(receiver, 100).decode().split()
    child = Process(place, int(number), int(started))
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert child.has_ended()  # a zombie
    os.waitpid(pid, 0)
    assert child.has_ended()
    assert child.pid == pid


def test_an_earlier_process_of_the_same_number_has_ended():
    """A container starts again with the same process ids, and waits for itself."""
    own = Process.current()
    assert own._replace(started=own.started - 1).has_ended()


@pytest.mark.parametrize("pid", [4194000, 1, os.getpid(), 10**30], ids=["a", "b", "own", "d"])
def test_of_another_place_nobody_knows(pid):
    assert not Process("f" * 16, pid, 5).has_ended()


def test_without_proc_every_process_is_a_place_of_its_own(monkeypatch):
    def absent(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(processes.Path, "read_text", absent)
    places = {processes._place.__wrapped__() for _ in range(2)}
    assert len(places) == 2
    assert all(len(place) == 16 for place in places)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_a_process_of_another_namespace_is_of_another_place():
    code = "from bench.processes import Process; print(*Process.current())"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"namespaces cannot be made here: {done.stderr}")
    place, pid, started = done.stdout.split()
    assert pid == "1"
    assert place != Process.current().place
    assert not Process(place, int(pid), int(started)).has_ended()
