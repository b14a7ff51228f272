"""Finished runs of another folder beside the methods of a benchmark: joined, never trained."""

from __future__ import annotations

import json

import pytest

from bench.commands import baselines
from bench.sweep.local import InProcess
from bench.sweep.store import Store

SEEDS = ("--seeds", "0")


@pytest.fixture
def trained(monkeypatch):
    """The methods of the runs that are trained from now on."""
    names = []
    run = InProcess.run

    def watched(self, tasks, *more):
        names.extend(task.job.method.label for task in tasks)
        return run(self, tasks, *more)

    monkeypatch.setattr(InProcess, "run", watched)
    return names


@pytest.fixture
def shipped(bench, toy_arguments, tmp_path):
    """A folder with runs of vanilla and of what depends on them."""
    asked = toy_arguments("--methods", "vanilla,vanilla_tuned", *SEEDS, out="shipped")
    assert bench(*asked)[0] == 0
    return tmp_path / "shipped"


@pytest.fixture
def start(bench, toy_arguments, shipped):
    def run(*more, source=shipped):
        return bench(*toy_arguments("--methods", "cb", *SEEDS, "--baselines", source, *more))

    return run


def plan_of(folder):
    return json.loads((folder / "plan.json").read_text())


def test_only_the_own_method_is_trained_and_stands_beside_the_others(
    start, trained, tmp_path, shipped
):
    code, out, _ = start()
    assert code == 0
    assert trained == ["cb"]
    assert (
        f"Joined from {shipped}: 2 finished runs of 2 methods (vanilla, vanilla_tuned). Their "
        "seconds come from another machine."
    ) in out
    plan = plan_of(tmp_path / "results")
    assert [job["method_label"] for job in plan["jobs"]] == ["cb", "vanilla", "vanilla_tuned"]
    assert not any("changed" in job for job in plan["jobs"])
    written = (tmp_path / "results" / "table2.md").read_text()
    assert "were measured on another machine (runs joined from" in written
    assert "Vanilla GCN" in out
    # Labels and predicted classes are all that came.
    store = Store(tmp_path / "results")
    [joined] = [job["job_id"] for job in plan["jobs"] if job["method_label"] == "vanilla"]
    assert not store.has_weights(joined)
    assert store.read(joined) == Store(shipped).read(joined)
    trained.clear()
    start()
    assert trained == []


def test_an_archive_does_as_well_as_a_folder(bench, start, trained, shipped, tmp_path):
    bench("archive", "--out", shipped)
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in ("records.tar.xz", "records.tar.xz.sha256"):
        (packed / name).write_bytes((shipped / name).read_bytes())
    _, out, _ = start(source=packed)
    assert "2 finished runs of 2 methods" in out
    assert trained[-1] == "cb"
    assert sorted(path.name for path in packed.iterdir()) == [
        "records.tar.xz",
        "records.tar.xz.sha256",
    ]  # read only


def test_runs_of_changed_code_are_kept_and_marked(start, trained, shipped, tmp_path):
    store = Store(shipped)
    for record in list(store.records()):
        store.renew({**record, "sources": {**record["sources"], "bench/seeds.py": "0" * 16}})
    code, out, err = start()
    assert code == 0, err
    assert trained == ["cb"]
    assert "bench/seeds.py has changed since 2 of these runs. Kept and marked." in err
    changed = {
        job["method_label"]: job.get("changed") for job in plan_of(tmp_path / "results")["jobs"]
    }
    assert changed == {
        "cb": None,
        "vanilla": ["bench/seeds.py"],
        "vanilla_tuned": ["bench/seeds.py"],
    }
    assert "(earlier code)" in out


def test_own_runs_stay_and_are_not_called_joined(bench, toy_arguments, start, tmp_path, shipped):
    bench(*toy_arguments("--methods", "vanilla", *SEEDS))
    own = {record["job_id"]: record for record in Store(tmp_path / "results").records()}
    start()
    joined = plan_of(tmp_path / "results")["settings"]["joined"]["runs"]
    assert len(joined) == 1
    assert own.keys().isdisjoint(joined)
    for job_id, record in own.items():
        assert Store(tmp_path / "results").read(job_id) == record


def test_own_runs_of_changed_code_are_not_trained_either(
    bench, toy_arguments, start, trained, tmp_path
):
    """Runs that nobody asked for and that are said never to be trained are trained for hours."""
    bench(*toy_arguments("--methods", "vanilla_tuned", *SEEDS))
    own = Store(tmp_path / "results")
    for record in list(own.records()):
        own.renew({**record, "sources": {**record["sources"], "bench/seeds.py": "0" * 16}})
    checksums = {record["checksum"] for record in own.records()}
    trained.clear()
    assert "3 runs: 2 done, 1 to do" in start("--dry-run")[1]
    code, _, err = start()
    assert code == 0, err
    assert trained == ["cb"]
    assert "bench/seeds.py has changed since 2 of these runs. Kept and marked." in err
    assert checksums < {record["checksum"] for record in own.records()}
    # What is asked for itself, with what that depends on, is trained as ever.
    start("--methods", "cb,vanilla_tuned")
    assert trained == ["cb", "vanilla", "vanilla_tuned"]


def test_a_damaged_own_run_gives_its_place_to_the_joined_one(start, trained, tmp_path):
    start()
    own = Store(tmp_path / "results")
    ids = plan_of(own.root)["settings"]["joined"]["runs"]
    (own.root / "runs" / ids[0] / "decisions.safetensors").write_bytes(b"")
    trained.clear()
    assert start()[0] == 0
    assert trained == []
    assert all(own.read(job_id) for job_id in ids)


def test_a_dry_run_lists_them_and_writes_nothing(start, trained, tmp_path):
    _, out, _ = start("--dry-run")
    assert "done    toy · random · vanilla · seed 0" in out
    assert "3 runs: 2 done, 1 to do" in out
    assert trained == []
    assert not (tmp_path / "results").exists()


def test_runs_with_other_settings_are_not_joined_but_named(start):
    code, _, err = start("--epochs", 3)
    assert code == 2
    assert "training settings asked for (epochs 3), but there is none" in err
    assert "Its samples are those of toy from toy.csv; another file may hold others." in err
    assert "data sets toy; splits random; seeds 0; epochs 2" in err


def test_what_cannot_be_joined_is_refused(start, tmp_path, monkeypatch):
    code, _, err = start("--force")
    assert (code, "exclude each other" in err) == (2, True)
    code, _, err = start(source=tmp_path / "nowhere")
    assert (code, "Expected runs in" in err) == (2, True)
    monkeypatch.setattr(baselines.bench, "__file__", str(tmp_path / "site" / "bench" / "x.py"))
    code, _, err = start(source="reference")
    assert (code, "name their folder: --baselines FOLDER" in err) == (2, True)


def test_a_dry_run_before_the_data_is_here_counts_and_joins_nothing(
    bench, shipped, tmp_path, monkeypatch
):
    monkeypatch.setattr("bench.commands.run.locate", lambda *_, **__: None)
    code, out, err = bench(
        "--datasets", "chembl_target", "--splits", "random", "--methods", "cb", *SEEDS,
        "--baselines", shipped, "--out", tmp_path / "results", "--dry-run",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "1 run: 0 done, 1 to do" in out
