import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from bench.sweep.leases import Leases
from bench.sweep.store import Store
from tests.faults.sweep_commands import TWELVE, Command, figures, left_behind

WRITERS, RECORDS = 8, 200
ARRAYS = {"w": np.arange(4, dtype=np.float32)}


def _write_own(root, writer):
    store = Store(root)
    for number in range(RECORDS):
        store.write(f"w{writer}r{number}", {"value": number}, ARRAYS, ARRAYS)


def _write_claimed(root, writer):
    """Write those of the shared jobs that nobody else has; each writing is a line of a log."""
    store = Store(root)
    leases = Leases(store.leases)
    for number in range(RECORDS):
        job_id = f"r{number}"
        if not leases.claim(job_id):
            continue
        if store.read(job_id) is None:
            with (root / "log").open("a") as log:
                log.write(f"{job_id}\n")
            store.write(job_id, {"value": number}, ARRAYS, ARRAYS)
        leases.release(job_id)
    leases.close()


def _side_by_side(target, root):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=target, args=(root, n)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store; what a disk is told to keep is not what is tested here, and takes long."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    store = Store(tmp_path)
    store.require_writable()
    return store


@pytest.mark.fault(5)
def test_eight_writers_of_two_hundred_records_lose_none(store):
    """Processes that write at once overwrite or mix each other's records."""
    _side_by_side(_write_own, store.root)
    records = list(store.records())
    assert len(records) == WRITERS * RECORDS
    expected = {f"w{writer}r{number}": number for writer in range(WRITERS)
                for number in range(RECORDS)}  # fmt: skip
    assert {record["job_id"]: record["value"] for record in records} == expected
    assert left_behind(store.root) == []


@pytest.mark.fault(5)
def test_eight_sweeps_at_the_same_jobs_run_each_once(store):
    """Two sweeps in one folder run the same job at once."""
    _side_by_side(_write_claimed, store.root)
    assert len(list(store.records())) == RECORDS
    begun = (store.root / "log").read_text().split()
    assert sorted(begun) == sorted(f"r{number}" for number in range(RECORDS))
    assert left_behind(store.root) == []


@pytest.mark.fault(5)
def test_two_commands_in_one_folder_share_the_work(tmp_path):
    """The second of two commands runs everything again, or reports holes."""
    first = Command(tmp_path, *TWELVE, out="shared")
    second = Command(tmp_path, *TWELVE, out="shared")
    assert (first.wait(), second.wait()) == (0, 0)
    rows = figures(tmp_path / "shared")
    assert {row["status"] for row in rows} == {"complete"}
    # Each job is trained by one of the two, and done before or elsewhere for the other.
    text = Path(first.log).read_text()
    assert text.count("last validation BA") == 12
    assert left_behind(tmp_path / "shared") == []
