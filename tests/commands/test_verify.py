"""``run_bench.py verify`` on a toy benchmark, whole and tampered with by somebody who reseals."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bench.sweep.store import to_json


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
    content = {key: value for key, value in record.items() if key != "checksum"}
    content["checksum"] = hashlib.sha256(to_json(content)).hexdigest()
    (folder / "record.json").write_bytes(to_json(content))


def test_an_honest_folder_keeps_every_rule(bench, results):
    code, out, _ = bench("verify", "--out", results)
    assert code == 0
    assert "2 runs, 2 done" in out
    assert "2 runs checked, 2 keep every rule; 0 breaches." in out


def test_a_figure_made_better_by_hand_is_found_and_no_report_is_written(bench, results):
    folder, record = a_run(results)
    record["metrics"]["auroc_ovr_macro"] = 0.999
    reseal(folder, record)
    code, out, _ = bench("verify", "--out", results)
    assert code == 1
    assert f"[metrics recomputed] job {folder.name}" in out
    assert "1 keep every rule; 1 breach." in out
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


def test_a_run_on_another_split_than_the_others_is_found(bench, results):
    folder, record = a_run(results, "cb")
    record["data"]["split_hash"] = "0" * 64
    reseal(folder, record)
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
