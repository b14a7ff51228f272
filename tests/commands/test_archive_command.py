"""``run_bench.py archive``, and every command on a folder that has nothing but the archive."""

import json
import re
import shutil

import pytest

from bench.sweep.decisions import pack_decisions
from bench.sweep.store import Store
from tests.faults.sweep_commands import figures

LATER = "2126-11-01T12:00:00+00:00"
REPORT = ("table2.md", "table2.csv", "runs.csv")


@pytest.fixture
def results(bench, toy_arguments, tmp_path):
    """A folder with two finished runs and their archive."""
    assert bench(*toy_arguments())[0] == 0
    code, out, _ = bench("archive", "--out", tmp_path / "results")
    assert code == 0
    assert re.search(r"2 runs in .*records\.tar\.xz, 0\.\d\d MiB\.", out)
    return tmp_path / "results"


@pytest.fixture
def new(results, tmp_path):
    """What another machine gets: the archive alone."""
    folder = tmp_path / "new"
    folder.mkdir()
    for path in results.glob("records.tar.xz*"):
        shutil.copy(path, folder)
    return folder


def read(folder):
    return {name: (folder / name).read_bytes() for name in REPORT}


def paths(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("again", ["report", "run"])
def test_a_new_machine_trains_nothing_and_reports_the_same_bytes(
    bench, toy_arguments, results, new, again
):
    arguments = toy_arguments(out="new") if again == "run" else ("report", "--out", new)
    code, out, err = bench(*arguments)
    assert code == 0
    assert "2 runs unpacked from the archive" in err
    if again == "run":
        assert "2 done before, 0 to do" in out
    assert read(new) == read(results)
    code, _, err = bench(*arguments)
    assert code == 0
    assert "unpacked" not in err


def test_a_dry_run_counts_what_is_archived_as_done_and_writes_nothing(bench, toy_arguments, new):
    arguments = toy_arguments("--dry-run", out="new")
    before = paths(new)
    code, out, _ = bench(*arguments)
    assert code == 0
    assert "2 runs: 2 done, 0 to do" in out
    assert paths(new) == before
    bench("report", "--out", new)
    assert "2 runs: 2 done, 0 to do" in bench(*arguments)[1]


def test_a_run_is_done_again_when_another_needs_its_weights(bench, toy_arguments, new, tmp_path):
    more = ("--methods", "vanilla,cb,tau_norm")
    _, out, _ = bench(*toy_arguments("--dry-run", *more, out="new"))
    assert "2 to do (1 to do again for their weights)" in out
    assert "again   toy · random · vanilla" in out
    code, out, err = bench(*toy_arguments(*more, out="new"))
    assert code == 0, err
    assert "1 done before, 2 to do (1 to do again for their weights, 1 from the start)" in out
    store = Store(new)
    held = {record["job"]["method"]["name"]: store.has_weights(record["job_id"])
            for record in store.records()}  # fmt: skip
    assert held == {"vanilla": True, "cb": False, "tau_norm": True}
    assert bench(*toy_arguments(*more, out="whole"))[0] == 0
    assert figures(new) == figures(tmp_path / "whole")
    _, out, _ = bench(*toy_arguments(*more, out="new"))
    assert "3 done before, 0 to do" in out


def test_a_run_that_is_to_be_done_again_and_fails_is_done_by_the_next_start(
    bench, toy_arguments, new, monkeypatch
):
    more = ("--methods", "vanilla,cb,tau_norm")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("bench.training.kinds.train", interrupted)
        assert bench(*toy_arguments(*more, out="new"))[0] == 130
    code, out, _ = bench(*toy_arguments(*more, out="new"))
    assert code == 0
    assert "1 done before, 2 to do" in out


def test_what_is_forced_does_not_come_back_from_the_archive(bench, toy_arguments, new):
    assert bench(*toy_arguments("--force", out="new"))[0] == 0
    assert all(Store(new).has_weights(job_id) for job_id in Store(new).job_ids())


def test_verify_says_what_it_could_not_recompute(bench, results, new):
    code, out, _ = bench("verify", "--out", new)
    assert code == 0
    assert "2 runs checked, 2 keep every rule; 0 violations." in out
    assert "Of 2 of them" in out
    assert "scores (AUROC, log loss, calibration) could not be recomputed" in out
    assert "could not be recomputed" not in bench("verify", "--out", results)[1]


def test_verify_finds_decisions_that_contradict_the_record(bench, new):
    bench("report", "--out", new)
    store = Store(new)
    job_id, other = store.job_ids()
    decisions = store.decisions(job_id)
    decisions["test_predictions"] = (decisions["test_predictions"] + 1) % 3
    path = new / "runs" / job_id / "decisions.safetensors"
    path.write_bytes(pack_decisions(job_id, decisions))
    code, out, _ = bench("verify", "--out", new)
    assert code == 1
    assert f"[metrics recomputed] job {job_id}" in out
    assert bench("report", "--out", new)[0] == 2
    path.write_bytes(pack_decisions(other, decisions))
    code, out, _ = bench("verify", "--out", new)
    assert code == 1
    assert f"[whole] run {job_id}: its predicted labels do not match" in out


def test_a_damaged_run_is_named_and_the_others_are_archived(bench, results):
    path = results / "runs" / Store(results).job_ids()[0] / "record.json"
    path.write_text(json.dumps({}))
    code, out, err = bench("archive", "--out", results)
    assert code == 1
    words = f"What the archive had before stays in it: run {path.parent.name}: damaged here"
    assert words in err
    assert f"together with {results / 'runs/.unpacked'} and start again" in err
    assert "2 runs in" in out
    (results / "records.tar.xz").unlink()
    code, out, err = bench("archive", "--out", results)
    assert code == 1
    assert f"Left out, as it is damaged: run {path.parent.name}: " in err
    assert "1 run in" in out


def test_what_is_older_than_in_a_new_archive_is_told_with_how_to_take_it(
    bench, toy_arguments, results, tmp_path
):
    """A colleague's archive is pulled over an own one, and tables have the older runs."""
    assert bench(*toy_arguments("--force", out="theirs"))[0] == 0
    theirs, ids = Store(tmp_path / "theirs"), Store(results).job_ids()
    for record in theirs.records():
        assert theirs.renew(record | {"time": record["time"] | {"finished": LATER}})
    assert bench("archive", "--out", theirs.root)[0] == 0
    for path in theirs.root.glob("records.tar.xz*"):
        shutil.copy(path, results)
    code, _, err = bench("report", "--out", results)
    assert code == 0
    assert f"2 runs in {results} differ from those of the archive and were finished earlier" in err
    assert ", ".join(ids) in err
    assert (
        f"delete their folders and {results / 'runs/.unpacked'}, or all of {results / 'runs'}"
        in err
    )
    code, out, err = bench("archive", "--out", results)
    assert code == 1
    assert err.count("older here") == 2
    assert "2 runs in" in out
    shutil.rmtree(results / "runs")
    assert "2 runs unpacked" in bench("report", "--out", results)[2]
    assert {record["time"]["finished"] for record in Store(results).records()} == {LATER}


def test_a_large_archive_is_warned_of(bench, results, monkeypatch):
    monkeypatch.setattr("bench.commands.archive._LARGE_MIB", 0.001)
    code, _, err = bench("archive", "--out", results)
    assert code == 0
    assert "larger than 0.001 MiB" in err


def test_a_damaged_archive_is_one_clear_error_of_every_command(bench, toy_arguments, new):
    (new / "records.tar.xz").write_bytes(b"x")
    commands = [(name, "--out", new) for name in ("report", "verify", "paper", "archive")]
    for command in (*commands, toy_arguments(out="new"), toy_arguments("--dry-run", out="new")):
        code, _, err = bench(*command)
        assert code == 2
        assert "records.tar.xz, but it does not match" in err
        assert "Traceback" not in err
