"""What a report prints to repeat a cell does repeat it."""

import shlex

import pytest

from bench.report.command import command
from bench.sweep.store import Store


@pytest.mark.parametrize("method", ["vanilla", "cb[beta=0.5]"])
def test_the_printed_command_gives_the_same_runs(
    bench, toy_arguments, tmp_path, monkeypatch, method
):
    first, again = tmp_path / "results", tmp_path / "again"
    arguments = toy_arguments(
        "--methods", "vanilla,cb[beta=0.5]", "--set", "training.weight_decay=0"
    )
    assert bench(*arguments)[0] == 0
    store = Store(first)
    plan = store.read_plan()
    [job] = [job for job in plan["jobs"] if job["method_label"] == method]
    record = store.read(job["job_id"])
    text = command(plan["settings"], job["dataset_label"], job["split_label"], method, [0])
    assert str(tmp_path) not in text
    monkeypatch.chdir(tmp_path)  # where the file lies
    words = shlex.split(text)[2:]
    words[words.index("--out") + 1] = again
    code, out, _ = bench(*words, "--executor", "in-process")
    assert code == 0
    assert "1 runs: 0 done before, 1 to do" in out
    repeated = Store(again).read(job["job_id"])
    for part in ("job", "metrics", "confusion", "selection"):
        assert repeated[part] == record[part]
