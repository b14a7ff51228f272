import json
import multiprocessing
import os
import socket
import time

import pytest

from bench.sweep.leases import MISSED, Leases

BEAT = 0.05


@pytest.fixture
def leases(tmp_path):
    made = Leases(tmp_path, BEAT)
    yield made
    made.close()


def _foreign(folder, pid, host=None):
    path = folder / "a1.json"
    path.write_text(json.dumps({"host": host or socket.gethostname(), "pid": pid}))
    return path


def _ended_pid():
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    return process.pid


def test_a_job_is_claimed_once_and_can_be_claimed_again_when_given_back(leases, tmp_path):
    assert leases.claim("a1")
    assert not leases.claim("a1")
    assert leases.claim("b2")
    leases.release("a1")
    assert leases.claim("a1")
    leases.close()
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.fault(6)
def test_the_lease_of_a_dead_process_of_this_host_is_taken_over_at_once(leases, tmp_path):
    """A sweep that was killed blocks its jobs for ever."""
    path = _foreign(tmp_path, _ended_pid())
    assert leases.claim("a1")
    assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.fault(6)
def test_the_lease_of_an_earlier_process_with_this_id_is_taken_over(leases, tmp_path):
    """A container starts anew with the same host name and process id, and waits for itself."""
    _foreign(tmp_path, os.getpid())
    assert leases.claim("a1")


@pytest.mark.fault(6)
@pytest.mark.parametrize("host", [None, "elsewhere"])
def test_a_lease_is_taken_over_when_its_heartbeat_stops_and_never_before(leases, tmp_path, host):
    """A job that another machine is at runs twice, or one that it lost is never run."""
    path = _foreign(tmp_path, 1, host)
    for _ in range(3 * MISSED):
        os.utime(path)
        assert not leases.claim("a1")
        time.sleep(BEAT)
    deadline = time.monotonic() + 30
    while not leases.claim("a1"):
        assert time.monotonic() < deadline
        time.sleep(BEAT)


@pytest.mark.fault(6)
def test_what_is_held_has_a_heartbeat(leases, tmp_path):
    """A living sweep is taken for dead, and its jobs run twice."""
    leases.claim("a1")
    path = tmp_path / "a1.json"
    os.utime(path, (0, 0))
    deadline = time.monotonic() + 30
    while path.stat().st_mtime == 0:
        assert time.monotonic() < deadline
        time.sleep(BEAT)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"host": 5}'])
def test_a_lease_that_cannot_be_read_is_somebodys_until_nobody_touches_it(leases, tmp_path, text):
    (tmp_path / "a1.json").write_text(text)
    assert not leases.claim("a1")
    time.sleep(2 * MISSED * BEAT)
    assert leases.claim("a1")


def test_a_lease_that_was_taken_over_is_not_given_back(leases, tmp_path):
    leases.claim("a1")
    path = _foreign(tmp_path, 1, "elsewhere")
    leases.release("a1")
    assert path.exists()


_NO_PROCESS = json.dumps({"host": socket.gethostname(), "pid": 10**30})


@pytest.mark.parametrize("text", [_NO_PROCESS, "[" * 5000])
def test_a_lease_that_names_no_process_stops_nobody(tmp_path, text):
    leases = Leases(tmp_path, BEAT)
    (tmp_path / "a1.json").write_text(text)
    deadline = time.monotonic() + 20
    while not leases.claim("a1"):
        assert time.monotonic() < deadline
        time.sleep(BEAT)
    leases.close()
