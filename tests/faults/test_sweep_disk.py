"""Results on a disk that is full, was cut off in the middle, or rots."""

import csv
import multiprocessing
import os
import resource
import shutil
import signal
import sys

import numpy as np
import pytest

from bench.commands.report import rebuild_report
from bench.errors import StoreError
from bench.sweep.store import Store
from tests.faults.sweep_commands import Command, figures

ARRAYS = {"w": np.arange(400, dtype=np.float32)}
KILLS = 20


def _write(root, at, counted):
    """Store a record, and be killed at the `at`-th thing that Python does for it.

    One that is there already is replaced.
    """
    store = Store(root)
    before = store.read("a1")
    value, replaces = (1, None) if before is None else (before["value"] + 1, before["checksum"])
    seen = 0

    def hook(event, arguments):
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    store.write("a1", {"value": value}, ARRAYS, ARRAYS, replaces)
    counted.value = seen


def _in_process(root, at=-1):
    context = multiprocessing.get_context("fork")
    counted = context.Value("i", 0)
    process = context.Process(target=_write, args=(root, at, counted))
    process.start()
    process.join()
    return counted.value, process.exitcode


@pytest.mark.fault(2)
def test_killed_anywhere_inside_the_write_leaves_all_or_nothing(tmp_path, caplog):
    """A result that was half written is read as a result."""
    import safetensors.numpy  # noqa: F401 (so that its import is not part of the write)

    Store(tmp_path / "whole").require_writable()
    events, _ = _in_process(tmp_path / "whole")
    outcomes, strays = set(), 0
    for number in range(KILLS):
        store = Store(tmp_path / str(number))
        store.require_writable()
        _, code = _in_process(store.root, 1 + number * events // KILLS)
        assert code == -signal.SIGKILL
        caplog.clear()
        record = store.read("a1")
        assert not caplog.text
        outcomes.add(record is None)
        left = list((store.root / "runs").glob(".tmp-*"))
        strays += len(left)
        store.tidy()
        assert list((store.root / "runs").glob(".tmp-*")) == []
        assert all(str(path) in caplog.text for path in left)
        store.write("a1", {"value": 1}, ARRAYS, ARRAYS)
        assert store.read("a1")["value"] == 1
    assert True in outcomes
    assert strays > KILLS / 3


@pytest.mark.fault(2)
def test_killed_anywhere_inside_a_write_that_replaces_leaves_one_of_the_two(tmp_path, caplog):
    """A run that is trained again is gone from the moment at which its new record is begun."""
    import safetensors.numpy  # noqa: F401 (so that its import is not part of the write)

    def stored(name):
        store = Store(tmp_path / name)
        store.require_writable()
        store.write("a1", {"value": 1}, ARRAYS, ARRAYS)
        return store

    events, _ = _in_process(stored("whole").root)
    assert Store(tmp_path / "whole").read("a1")["value"] == 2
    values = []
    for event in range(1, 1 + events):
        store = stored(str(event))
        _, code = _in_process(store.root, event)
        assert code == -signal.SIGKILL
        store.tidy()
        values.append(store.read("a1")["value"])
        assert not [line for line in caplog.messages if "counts as missing" in line]
    assert sorted(values) == values
    assert {1, 2} == set(values)


def _small_files_only():
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.fault(3)
def test_a_full_disk_is_a_failed_run_and_leaves_earlier_ones_alone(tmp_path):
    """A disk that fills up takes the results along that are already there."""
    first = Command(tmp_path, "--methods", "vanilla")
    assert first.wait() == 0
    [path] = (first.out / "runs").iterdir()
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    command = Command(tmp_path, "--methods", "vanilla,cb", prepare=_small_files_only)
    assert command.wait() == 1
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    rows = {row["method"]: row for row in figures(command.out)}
    assert (rows["vanilla"]["status"], rows["cb"]["status"]) == ("complete", "failed")
    assert "File too large" in rows["cb"]["reason"]
    assert "Traceback (most" not in command.log.read_text()


def _raising_method():
    from bench.method import Method, register_method

    @register_method("raises", title="raises", group="extension", reference="none")
    class Raises(Method):
        def loss(self, logits, labels):
            raise ZeroDivisionError("by design")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of two runs that succeeded and one that failed."""
    command = Command(
        tmp_path_factory.mktemp("rot"), "--methods", "vanilla,cb,raises", prepare=_raising_method
    )
    assert command.wait() == 1
    return command.out


def _damages(whole):
    """Cut at every tenth, and with one bit changed in twenty places."""
    for tenth in range(10):
        yield whole[: len(whole) * tenth // 10]
    for place in np.linspace(0, len(whole) - 1, 20).astype(int):
        changed = bytearray(whole)
        changed[place] ^= 1
        yield bytes(changed)


def _rows(folder):
    with (folder / "runs.csv").open() as file:
        return {row["job_id"]: row for row in csv.DictReader(file)}


@pytest.mark.fault(4)
def test_no_damaged_file_ever_gives_a_wrong_number(results, tmp_path, capsys):
    """A cut or rotten file is read as a result, or ends the report with a traceback."""
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    expected = _rows(folder)
    files = [*folder.glob("runs/*/*"), *folder.glob("failures/*"), folder / "plan.json"]
    assert len(files) == 8
    tried = refused = missing = 0
    for path in files:
        whole = path.read_bytes()
        for content in _damages(whole):
            tried += 1
            path.write_bytes(content)
            if path.name == "plan.json":
                with pytest.raises(StoreError, match=r"plan\.json"):
                    rebuild_report(folder)
                refused += 1
                continue
            rebuild_report(folder)
            for job_id, row in _rows(folder).items():
                if row != expected[job_id]:
                    assert row["status"] == "missing"
                    assert row["balanced_accuracy"] == ""
                    missing += 1
        path.write_bytes(whole)
    assert tried == 30 * len(files)
    assert refused == 30
    assert missing == 30 * 7
