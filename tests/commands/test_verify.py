"""``run_bench.py verify`` on a toy benchmark, whole and tampered with by somebody who reseals."""

import hashlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save

from bench.commands.failures import show_failures
from bench.method import METHODS
from bench.metrics import evaluate
from bench.sweep.store import Store, to_json


@pytest.fixture
def results(bench, toy_arguments, tmp_path):
    code, _, _ = bench(*toy_arguments())
    assert code == 0
    return tmp_path / "results"


def a_run(results, method="vanilla"):
    for folder in (results / "runs").iterdir():
        record = json.loads((folder / "record.json").read_bytes())
        if record["job"]["method"]["name"] == method:
            return folder, record
    raise AssertionError(method)


def reseal(folder, record):
    """Write `record` with the checksums that it would have had."""
    files = (file for file in folder.iterdir() if file.suffix == ".safetensors")
    record["files"] = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    seal(folder / "record.json", record)


def seal(path, content):
    """Write `content` with a checksum that fits."""
    content = {key: value for key, value in content.items() if key != "checksum"}
    content["checksum"] = hashlib.sha256(to_json(content)).hexdigest()
    path.write_bytes(to_json(content))


def claim_another_split(results, method):
    folder, record = a_run(results, method)
    record["data"]["split_hash"] = "0" * 64
    reseal(folder, record)


def assert_both_refuse(bench, results, words, codes=(1, 2)):
    """``verify`` and ``report`` say `words`, as one clear error and no traceback."""
    for command, expected in zip(("verify", "report"), codes, strict=True):
        code, out, error = bench(command, "--out", results)
        assert code == expected
        assert words in " ".join((out + error).split())
        assert "Traceback" not in out + error


def test_an_honest_folder_keeps_every_rule(bench, results):
    code, out, _ = bench("verify", "--out", results)
    assert code == 0
    assert "2 runs, 2 done" in out
    assert "2 runs checked, 2 keep every rule; 0 violations." in out


def test_a_figure_made_better_by_hand_is_found_and_no_report_is_written(bench, results):
    folder, record = a_run(results)
    record["metrics"]["log_loss"] = 0.001
    reseal(folder, record)
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[metrics recomputed] job {folder.name}" in out
    assert "1 keep every rule; 1 violation." in out
    (results / "table2.md").unlink()
    code, _, error = bench("report", "--out", results)
    assert code == 2
    assert "[metrics recomputed]" in error
    assert not (results / "table2.md").exists()


def test_other_predictions_are_found(bench, results):
    folder, record = a_run(results)
    arrays = load_file(folder / "predictions.safetensors")
    arrays["test_logits"] = np.ascontiguousarray(arrays["test_logits"][:, ::-1])
    save_file(arrays, folder / "predictions.safetensors")
    reseal(folder, record)
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert "[metrics recomputed]" in out


def reorder_labels(results, method):
    """Give a run the labels of its split in another order, and perfect logits of these."""
    folder, record = a_run(results, method)
    arrays, counts = load_file(folder / "predictions.safetensors"), record["data"]["train_counts"]
    for part in ("valid", "test"):
        labels = arrays[f"{part}_labels"] = arrays[f"{part}_labels"][::-1].copy()
        logits = arrays[f"{part}_logits"] = 9 * np.eye(len(counts), dtype=np.float32)[labels]
        figures = evaluate(labels, logits, np.array(counts))
        if part == "valid":
            chosen = record["history"][record["selection"]["epoch"] - 1]
            for said in (record["selection"], chosen):
                said["valid_balanced_accuracy"] = figures.balanced_accuracy
    save_file(arrays, folder / "predictions.safetensors")
    reseal(folder, record | figures.to_record())
    return folder


def test_labels_that_are_not_those_of_the_split_are_found_in_runs_and_archives(
    bench, results, toy_arguments, tmp_path
):
    """Labels in another order, as often as the record says, with perfect logits stand as 100 %."""
    assert bench(*toy_arguments("--methods", "vanilla,cb,majority"))[0] == 0
    folder = reorder_labels(results, "vanilla")
    assert bench("archive", "--out", results)[0] == 0
    archived = tmp_path / "archived"
    archived.mkdir()
    for path in results.glob("records.tar.xz*"):
        shutil.copy(path, archived)
    for place in (results, archived):
        code, out, _ = bench("verify", "--out", place)
        assert code == 1
        assert f"[labels of the split] job {folder.name} (toy / random / vanilla / 0)" in out
        assert "expected the valid and test labels of job" in out
        assert "as 2 of 3 runs on this split of these samples have them" in out
        assert "3 runs checked, 2 keep every rule; 1 violation." in out


def test_a_history_that_says_another_score_of_the_chosen_epoch_is_found(bench, results):
    folder, record = a_run(results)
    record["history"][record["selection"]["epoch"] - 1]["valid_balanced_accuracy"] = 0.99
    reseal(folder, record)
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[history] job {folder.name}" in out
    assert "1 keep every rule; 1 violation." in out


def test_a_run_on_another_split_than_the_others_is_found(bench, results):
    claim_another_split(results, "cb")
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert "[one split]" in out


def test_a_damaged_file_is_named(bench, results):
    folder, _ = a_run(results)
    (folder / "model.safetensors").write_bytes(b"")
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[whole] run {folder.name}: model.safetensors does not match its checksum." in out
    assert "1 missing" in out


def test_a_folder_without_runs_has_nothing_to_check(bench, tmp_path):
    code, _, error = bench("verify", "--out", tmp_path / "nowhere")
    assert code == 2
    assert "Run the benchmark first" in error


def test_a_run_under_the_id_of_another_is_found(bench, results):
    """A copy with another job id in it would stand in a table as a run of the other method."""
    folder, _ = a_run(results, "vanilla")
    other, record = a_run(results, "cb")
    shutil.rmtree(folder)
    shutil.copytree(other, folder)
    reseal(folder, record | {"job_id": folder.name})
    assert_both_refuse(bench, results, "expected method vanilla, but got cb.")


def test_a_setting_that_was_not_planned_is_found_by_the_job_id(bench, results):
    folder, record = a_run(results)
    record["job"]["training"]["learning_rate"] = 0.5
    reseal(folder, record)
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[job id] job {folder.name}" in out


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("job", None, "parts of the job"),
        ("job.method", None, "parts of the job"),
        ("time.started", "2026-99-99T00:00:00+00:00", "ends after start"),
        ("time.finished", "2026-01-01T00:00:00", "time"),
    ],
)
def test_a_record_of_the_wrong_shape_is_named(bench, results, path, value, rule):
    folder, record = a_run(results)
    *parents, last = path.split(".")
    place = record
    for key in parents:
        place = place[key]
    place[last] = value
    reseal(folder, record)
    assert_both_refuse(bench, results, f"[{rule}] job {folder.name}")


@pytest.mark.parametrize("files", [None, [], {}, {"../../plan.json": "0" * 64}])
def test_checksums_cannot_be_switched_off(bench, results, files):
    folder, record = a_run(results)
    seal(folder / "record.json", record | {"files": files})
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[files] run {folder.name}" in out
    assert bench("report", "--out", results)[0] == 1  # as one run is missing


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("jobs.0.seed", [1]),
        ("jobs.0.job_id", 5),
        ("jobs.0.job_id", "a" * 300),
        ("jobs.0.job_id", "../../../etc"),
        ("jobs.0.job_id", "\0"),
        ("jobs", []),
        ("settings", {}),
        ("settings.epochs", "many"),
        ("schema", True),
    ],
)
def test_a_plan_of_the_wrong_shape_is_one_clear_error(bench, results, path, value, sealed):
    plan = json.loads((results / "plan.json").read_bytes())
    *parents, last = path.split(".")
    place = plan
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    place[last] = value
    if sealed:
        seal(results / "plan.json", plan)
    else:
        del plan["checksum"]
        (results / "plan.json").write_bytes(to_json(plan))
    assert_both_refuse(bench, results, "plan.json, but it is damaged or of another version")


def test_a_failure_that_none_wrote_is_found(bench, results):
    path = results / "failures" / f"{'a' * 20}.json"
    path.write_text('{"attempts": "x", "reason": "r"}')
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[failure] run {'a' * 20}" in out


def test_the_runs_of_every_preset_are_held_together(bench, results, toy_arguments):
    """Not only those of the last plan, here a part of what was run before."""
    code, _, _ = bench(*toy_arguments("--methods", "vanilla"))
    assert code == 0
    assert bench("verify", "--out", results)[0] == 0
    claim_another_split(results, "cb")
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert "The last plan: 1 run, 1 done." in out
    assert "The plan of preset quick: 2 runs, 2 done." in out
    assert "[one split]" in out


def test_a_damaged_plan_of_a_preset_is_named(bench, results):
    (results / "plans" / "paper.json").write_text("{")
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert "[plan] the plan of preset paper" in out


def change_plan(results, **changes):
    """Say something else of vanilla in the plan, sealed again."""
    plan = json.loads((results / "plan.json").read_bytes())
    for job in plan["jobs"]:
        if job["method"] == "vanilla":
            job.update(changes)
    seal(results / "plan.json", plan)


@pytest.mark.parametrize(
    ("key", "lie"), [("title", "CB Focal"), ("group", "extension")], ids=["title", "group"]
)
def test_a_row_that_is_renamed_in_the_plan_is_found_and_reported_by_its_own_name(
    bench, results, key, lie
):
    table = (results / "table2.md").read_bytes()
    change_plan(results, **{key: lie})
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[as registered] method vanilla: expected the {key}" in out
    assert bench("report", "--out", results)[0] == 0
    assert (results / "table2.md").read_bytes() == table


@pytest.mark.parametrize("label", ["cb_focal", "cb[beta=0.5]", "cb[beta"])
def test_a_label_that_is_not_of_the_run_is_refused(bench, results, label):
    plan = json.loads((results / "plan.json").read_bytes())
    for job in plan["jobs"]:
        if job["method"] == "cb":
            job["method_label"] = label
    seal(results / "plan.json", plan)
    assert_both_refuse(bench, results, "[as planned]")


def test_a_method_that_is_gone_is_reported_with_a_mark(bench, results, monkeypatch):
    kept = {name: entry for name, entry in METHODS._entries.items() if name != "cb"}
    monkeypatch.setattr(METHODS, "_entries", kept)
    assert bench("verify", "--out", results)[0] == 0
    assert bench("report", "--out", results)[0] == 0
    text = (results / "table2.md").read_text()
    assert "CB Loss (method not registered here)" in text
    assert "Vanilla GCN (method" not in text


@pytest.mark.parametrize("option", [("--draw", 0), ("--jobs", 2), ("--data-dir", "data")])
def test_what_only_a_repeat_uses_is_refused_without_one(bench, tmp_path, option):
    """Whoever asks which runs to train again believes that runs were trained."""
    code, _, error = bench("verify", "--out", tmp_path, *option)
    assert code == 2
    assert "--draw, --jobs and --data-dir go with --repeat N." in error


@pytest.mark.parametrize(
    ("status", "said", "state"),
    [("interrupted", "0 failed, 1 missing", "to do"), ("died", "1 failed, 0 missing", "failed")],
)
def test_a_run_that_was_stopped_with_its_sweep_is_missing_and_has_not_failed(
    bench, toy_arguments, results, capsys, status, said, state
):
    folder, record = a_run(results)
    shutil.rmtree(folder)
    failure = {"job": record["job"], "status": status, "reason": "it ended", "attempts": 0}
    Store(results).write_failure(record["job_id"], failure)
    bench("report", "--out", str(results))
    assert said in (results / "table2.md").read_text(encoding="utf-8")
    listed = bench(*toy_arguments("--dry-run"))[1].splitlines()
    assert [line[:7].strip() for line in listed if line.startswith(("to do ", "failed "))] == [
        state
    ]
    show_failures(Store(results), [SimpleNamespace(job_id=record["job_id"], describe=lambda: "it")])
    assert ("Failed runs" in capsys.readouterr().out) == (state == "failed")


def test_a_plan_that_asks_for_a_run_twice_hides_no_other_violation(bench, results):
    plan = json.loads((results / "plan.json").read_bytes())
    jobs = plan["jobs"]
    seal(results / "plan.json", {**plan, "jobs": [*jobs, jobs[0]]})
    (results / "runs" / jobs[0]["job_id"] / "model.safetensors").write_bytes(b"x")
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[whole] run {jobs[0]['job_id']}" in out
    assert "[plan] the last plan" in out


@pytest.mark.parametrize("tensors", [None, {"x": torch.zeros(2, dtype=torch.bfloat16)}])
def test_arrays_that_cannot_be_read_are_a_violation_though_checksums_fit(bench, results, tensors):
    folder, record = a_run(results)
    content = b"x" if tensors is None else save(tensors)
    (folder / "predictions.safetensors").write_bytes(content)
    reseal(folder, record)
    assert_both_refuse(bench, results, "it holds no arrays that can be read")
