"""Results folders that a stranger made, that another user owns, or whose owner is interrupted."""

import contextlib
import io
import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from bench import cli
from bench.sweep.store import Store


@pytest.fixture
def results(bench, toy_arguments, tmp_path):
    assert bench(*toy_arguments())[0] == 0
    return tmp_path / "results"


def _assert_one_line(told, words):
    code, out, error = told
    assert code == 2
    assert words in " ".join((out + error).split())
    assert "Traceback" not in out + error


def _checksums(store):
    return {record["job_id"]: record["checksum"] for record in store.records()}


def test_a_stopped_force_loses_no_run(bench, toy_arguments, results, monkeypatch):
    """Everything is discarded before anything is done again."""
    before = _checksums(Store(results))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("bench.training.kinds.train", interrupted)
        assert bench(*toy_arguments("--force"))[0] == 130
    assert len(before) == 2
    assert _checksums(Store(results)) == before
    assert "2 done before, 0 to do" in bench(*toy_arguments())[1]
    _, out, _ = bench(*toy_arguments("--force"))
    assert "0 done before, 2 to do" in out
    assert not _checksums(Store(results)).items() & before.items()


def test_a_link_to_a_folder_of_the_users_is_refused_by_every_command(
    bench, toy_arguments, results, tmp_path
):
    """Opening a stranger's results writes a file of any content into a folder of the user's."""
    assert bench("archive", "--out", results)[0] == 0
    shutil.rmtree(results / "plans")
    home = tmp_path / "home"
    home.mkdir()
    (results / "plans").symlink_to(home)
    (results / "runs" / ".unpacked").unlink()
    for command in ("report", "verify", "archive", "paper"):
        _assert_one_line(bench(command, "--out", results), "is a link to")
    for more in ((), ("--dry-run",)):
        _assert_one_line(bench(*toy_arguments(*more)), "is a link to")
    assert list(home.iterdir()) == []


def test_reports_replace_links_and_write_through_none(bench, results, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (results / "table2.md").unlink()
    (results / "table2.md").symlink_to(victim)
    assert bench("report", "--out", results)[0] == 0
    assert victim.read_text() == "mine"
    assert (results / "table2.md").read_text().startswith("# Results")


def test_a_pipe_in_the_place_of_a_record_ends_no_command(bench, toy_arguments, results):
    """A command waits for ever for somebody to write into a pipe."""
    path = next((results / "runs").iterdir()) / "record.json"
    path.unlink()
    os.mkfifo(path)
    assert bench("report", "--out", results)[0] == 1
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert "record.json is no regular file" in out
    assert "1 done, 1 to do" in bench(*toy_arguments("--dry-run"))[1]


def test_a_file_in_the_place_of_the_leases_is_one_line(bench, toy_arguments, results):
    shutil.rmtree(results / ".leases")
    (results / ".leases").write_text("")
    _assert_one_line(bench(*toy_arguments("--force")), "folder for the leases of runs")


def _as_somebody_else(arguments):
    """Exit code and output of a command that another user runs."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def run():
        os.setgid(65534)
        os.setuid(65534)
        sys.argv = ["run_bench.py", *arguments]
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            code = cli.main()
        sender.send((code, text.getvalue()))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    return receiver.recv()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_reports_what_one_user_ran(results):
    """For anybody but their owner all runs are missing; the owner's tables are emptied."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        shared = Path(name) / "results"
        shutil.copytree(results, shared)
        for path in (shared, *shared.rglob("*")):
            if path.is_dir():
                path.chmod(0o777)
        table = (shared / "table2.md").read_bytes()
        for command in ("report", "verify"):
            code, text = _as_somebody_else([command, "--out", str(shared)])
            assert code == 0, text
        assert (shared / "table2.md").read_bytes() == table
        hidden = next((shared / "runs").iterdir()) / "predictions.safetensors"
        hidden.chmod(0o600)  # as earlier versions made it
        for command in ("report", "verify", "archive"):
            code, text = _as_somebody_else([command, "--out", str(shared)])
            _assert_one_line((code, text, ""), "which belongs to root, but got: Permission denied")
            assert hidden.name in text
        assert (shared / "table2.md").read_bytes() == table


def test_predictions_larger_than_any_run_has_are_named_and_never_read(bench, results):
    """A sparse file takes no place on the disk and all memory."""
    [path, *_] = sorted(results.glob("runs/*/predictions.safetensors"))
    os.truncate(path, 3 * 2**30)
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"{path.name} has {3 * 2**30} bytes, expected at most" in out


def test_memory_that_runs_out_is_one_line(bench, results, monkeypatch):
    def fail(*_):
        raise MemoryError("Unable to allocate 3.00 GiB")

    monkeypatch.setattr(Store, "predictions", fail)
    _assert_one_line(
        bench("verify", "--out", results), "Ran out of memory (Unable to allocate 3.00 GiB)"
    )


def test_verify_says_what_it_proves(bench):
    _, out, _ = bench("verify", "--help")
    assert "consistent, not where they came from" in " ".join(out.split())
