import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bench.errors import StoreError
from bench.processes import Process
from bench.sweep.leases import MISSED, Leases

ROOT = Path(__file__).parents[2]
BEAT = 0.05


@pytest.fixture
def leases(tmp_path):
    made = Leases(tmp_path, BEAT)
    yield made
    made.close()


def _foreign(folder, **changes):
    """A lease of another sweep of this very process, but for the `changes`."""
    path = folder / "a1.json"
    path.write_text(json.dumps({**Process.current()._asdict(), "token": "another", **changes}))
    return path


def _old(folder, pid, host=None):
    """A lease as earlier versions wrote them."""
    path = folder / "a1.json"
    path.write_text(json.dumps({"host": host or socket.gethostname(), "pid": pid}))
    return path


def _ended():
    """A process that has ended, as it was."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return Process(*pool.apply(Process.current))


def _claimed_at_last(leases):
    deadline = time.monotonic() + 30
    while not leases.claim("a1"):
        assert time.monotonic() < deadline
        time.sleep(BEAT)


def test_a_job_is_claimed_once_and_can_be_claimed_again_when_given_back(leases, tmp_path):
    assert leases.claim("a1")
    assert not leases.claim("a1")
    assert leases.claim("b2")
    leases.release("a1")
    assert leases.claim("a1")
    leases.close()
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.fault(6)
def test_the_lease_of_a_dead_process_is_taken_over_at_once(leases, tmp_path):
    """A sweep that was killed blocks its jobs for ever."""
    path = _foreign(tmp_path, **_ended()._asdict())
    assert leases.claim("a1")
    assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.fault(6)
def test_the_lease_of_an_earlier_process_with_this_id_is_taken_over(leases, tmp_path):
    """A container starts again with the same process id, and waits for itself."""
    _foreign(tmp_path, started=Process.current().started - 1)
    assert leases.claim("a1")


def test_two_sweeps_in_one_process_do_not_claim_one_job(leases, tmp_path):
    other = Leases(tmp_path, BEAT)
    assert leases.claim("a1")
    assert not other.claim("a1")
    other.release("a1")
    assert (tmp_path / "a1.json").exists()
    leases.release("a1")
    assert other.claim("a1")
    other.close()


@pytest.mark.fault(6)
@pytest.mark.parametrize(
    "owner",
    [{}, {"place": "f" * 16}, {"place": "f" * 16, "pid": 4194000}, {"host": "vm", "pid": 1}],
    ids=["here", "same number elsewhere", "no such number here", "earlier version"],
)
def test_a_lease_is_taken_over_when_its_heartbeat_stops_and_never_before(leases, tmp_path, owner):
    """A job that another machine or container is at runs twice, or one it lost is never run."""
    path = _old(tmp_path, 1) if "host" in owner else _foreign(tmp_path, **owner)
    for _ in range(3 * MISSED):
        os.utime(path)
        assert not leases.claim("a1")
        time.sleep(BEAT)
    _claimed_at_last(leases)


@pytest.mark.parametrize("pid", [1, 4194000, os.getpid()], ids=["first", "none", "own"])
def test_a_lease_of_an_earlier_version_goes_by_its_heartbeat_alone(leases, tmp_path, pid):
    _old(tmp_path, pid)
    assert not leases.claim("a1")
    _claimed_at_last(leases)


def test_a_lease_that_is_a_link_is_replaced_and_nothing_is_written_through_it(leases, tmp_path):
    """Job ids are known beforehand: a link to any file of the user's overwrites it."""
    victim = tmp_path / "secret"
    victim.write_text("mine")
    os.utime(victim, (0, 0))
    (tmp_path / "a1.json").symlink_to(victim)
    _claimed_at_last(leases)
    assert victim.read_text() == "mine"
    assert victim.stat().st_mtime == 0


def _file(folder):
    folder.write_text("")


def _linked_lock(folder):
    folder.mkdir()
    (folder / "other").write_text("mine")
    (folder / ".lock").symlink_to(folder / "other")


def test_no_filelock_that_follows_links_is_allowed():
    """Before 3.20.1 a link in the place of a lock empties the file that it leads to."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {one.name: one.specifier for one in map(Requirement, project["dependencies"])}
    assert not needed["filelock"].contains("3.20.0")


@pytest.mark.parametrize("make", [_file, _linked_lock])
def test_a_folder_that_cannot_hold_leases_is_one_clear_error(tmp_path, make):
    make(tmp_path / ".leases")
    with pytest.raises(StoreError, match=r"\.leases, but got: .*--out"):
        Leases(tmp_path / ".leases", BEAT).claim("a1")
    if make is _linked_lock:
        assert (tmp_path / ".leases" / "other").read_text() == "mine"


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
    path = _foreign(tmp_path)
    leases.release("a1")
    assert path.exists()


_NO_PROCESS = json.dumps({**Process.current()._asdict(), "pid": 10**30, "token": "x"})


@pytest.mark.parametrize(
    "text", [_NO_PROCESS, "[" * 5000, "x" * 10**6], ids=["no process", "nested", "long"]
)
def test_a_lease_that_names_no_process_stops_nobody(tmp_path, text):
    leases = Leases(tmp_path, BEAT)
    (tmp_path / "a1.json").write_text(text)
    _claimed_at_last(leases)
    leases.close()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_containers_with_one_host_name_leave_each_other_alone(tmp_path):
    """A living sweep of another container is taken for dead; its half-written run is deleted."""
    code = """
import sys, time
from pathlib import Path
from bench.files import new_folder, remove_strays
from bench.sweep.leases import Leases
folder, name = Path(sys.argv[1]), sys.argv[2]
leases = Leases(folder / ".leases")
if name == "first":
    assert leases.claim("a1")
    with new_folder(folder / "runs" / "a1") as run:
        (folder / "ready").touch()
        while not (folder / "go").exists():
            time.sleep(0.02)
        assert run.is_dir()
    leases.close()
else:
    print(leases.claim("a1"), remove_strays(folder / "runs"))
"""
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c"]
    tried = subprocess.run([*command, ""], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"namespaces cannot be made here: {tried.stderr}")
    first = subprocess.Popen([*command, code, tmp_path, "first"])
    deadline = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    second = subprocess.run([*command, code, tmp_path, "second"], capture_output=True, text=True)
    (tmp_path / "go").touch()
    assert first.wait(60) == 0
    assert second.stdout == "False []\n", second.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a1"]
