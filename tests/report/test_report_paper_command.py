"""``run_bench.py paper`` on a results folder."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from bench.cli import cli
from bench.commands.archive import archive_results
from bench.commands.paper import write_paper
from bench.commands.report import rebuild_report
from bench.errors import StoreError
from bench.sweep.store import Store
from tests.report.report_records import make_grid, make_plan
from tests.report.stored_runs import arrays_of, record_of, store_run

COUNTS = {"hiv": [60, 20], "uspto_50k": [40, 20, 10], "csv": [30, 12]}


def sweep(out, preset, jobs, left_out=()):
    """A folder in which all jobs but `left_out` have run."""
    store = Store(out)
    for job in jobs:
        if job["job_id"] not in left_out and store.read(job["job_id"]) is None:
            store_run(store, job, COUNTS[job["dataset"]])
    plan = make_plan(jobs)
    plan["settings"]["preset"] = preset
    store.write_plan(plan)
    return store


def ablation(out, name):
    methods = {"table3": ["sdr[warm_up=0]", "sdr[dynamic=false]", "sdr"],
               "table4": ["sdr[reweighting=none]", "sdr[reweighting=class]",
                          "sdr[reweighting=subcluster]", "sdr"]}[name]  # fmt: skip
    return sweep(out, name, make_grid(["uspto_50k"], ["standard"], methods, [0]))


def main_jobs():
    return make_grid(["hiv", "uspto_50k"], ["standard"], ["vanilla", "sdr"], [0])


def written(out):
    return {path.name: path.read_bytes() for path in (out / "paper").iterdir()}


def test_all_tables_are_written_in_three_forms_and_again_byte_for_byte(tmp_path, capsys):
    sweep(tmp_path, "paper", main_jobs())
    ablation(tmp_path, "table3")
    ablation(tmp_path, "table4")
    assert write_paper(tmp_path, figures=False) == 0
    assert "No runs" not in capsys.readouterr().out
    first = written(tmp_path)
    names = ["table1", "table2", "table3", "table4", "figure1", "comparison", "agreement",
             "explanation", "contradictions"]  # fmt: skip
    expected = {f"{name}.{ending}" for name in names for ending in ("csv", "md", "tex")}
    assert set(first) == {*expected, "paper.tex"}
    assert write_paper(tmp_path, figures=False) == 0
    assert written(tmp_path) == first


def test_table_2_is_that_of_report_with_the_time_of_runs_that_no_table_shows(tmp_path):
    teacher, student = make_grid(["hiv"], ["standard"], ["vanilla", "dive"], [0])
    store = sweep(tmp_path, "paper", [student])
    store_run(store, teacher, COUNTS["hiv"])
    record = store.read(student["job_id"])
    record["job"]["requires"] = {"teacher": teacher["job_id"]}
    store.renew(record)
    assert write_paper(tmp_path, figures=False) == 1  # the other tables are absent
    assert rebuild_report(tmp_path, to=tmp_path / "report") == 0
    table = (tmp_path / "report" / "table2.md").read_bytes()
    assert written(tmp_path)["table2.md"] == table
    assert b"24.5" in table  # twice 12.25 seconds


def test_an_archive_alone_gives_the_same_bytes(tmp_path, capsys):
    """Tables of a repository cannot be made again from what it keeps."""
    full, new = tmp_path / "full", tmp_path / "new"
    sweep(full, "paper", make_grid(["hiv", "uspto_50k"], ["standard"], ["vanilla", "sdr"]))
    ablation(full, "table3")
    assert write_paper(full, figures=False) == 1
    assert archive_results(full) == 0
    new.mkdir()
    for name in ("records.tar.xz", "records.tar.xz.sha256"):
        shutil.copy(full / name, new)
    capsys.readouterr()
    assert write_paper(new, figures=False) == 1
    assert "14 runs unpacked" in capsys.readouterr().err
    assert written(new) == written(full)
    assert archive_results(new) == 0
    assert (new / "records.tar.xz").read_bytes() == (full / "records.tar.xz").read_bytes()


def test_the_plan_of_a_preset_outlives_the_next_benchmark(tmp_path):
    sweep(tmp_path, "paper", main_jobs())
    last = ablation(tmp_path, "table3")
    assert last.read_plan()["settings"]["preset"] == "table3"
    assert last.read_plan("paper")["settings"]["preset"] == "paper"
    assert not last.has_plan("table4")
    with pytest.raises(StoreError, match=r"plans/table4\.json"):
        last.read_plan("table4")
    path = tmp_path / "plans" / "paper.json"
    path.write_text(path.read_text().replace("vanilla", "vanilia"))
    with pytest.raises(StoreError, match=r"paper\.json, but it is damaged"):
        write_paper(tmp_path, figures=False)


def test_a_preset_that_is_a_file_has_no_plan_of_its_own(tmp_path):
    sweep(tmp_path, "../mine.yaml", main_jobs())
    assert not (tmp_path / "plans").exists()
    assert not (tmp_path.parent / "mine.yaml.json").exists()


def test_what_is_absent_is_said_in_a_line_and_stops_nothing(tmp_path, capsys):
    sweep(tmp_path, "quick", main_jobs())
    assert write_paper(tmp_path, figures=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(".")[0] for line in lines[:3]] == [
        "No runs of their own for Tables 1 and 2 and Figure 1: they show the last benchmark",
        "No runs for Table 3",
        "No runs for Table 4",
    ]
    assert f"python run_bench.py --preset table3 --out {tmp_path} makes them" in lines[1]
    assert "table2.tex" in written(tmp_path)
    # What the main table has of them, and holes with the paper's figures beside them.
    table3 = written(tmp_path)["table3.md"].decode()
    assert "uspto_50k, standard split" in table3
    assert [line.split("|")[4].strip() for line in table3.splitlines() if "sdr\\[" in line] == [
        "–", "–",
    ]  # fmt: skip
    assert "hiv" not in table3


def test_an_empty_folder_gives_what_needs_no_runs(tmp_path):
    assert write_paper(tmp_path, figures=False) == 1
    assert set(written(tmp_path)) == {
        "contradictions.csv", "contradictions.md", "contradictions.tex", "paper.tex",
    }  # fmt: skip


@pytest.mark.fault(50)
def test_a_missing_run_makes_the_exit_code_1(tmp_path):
    jobs = make_grid(["hiv"], ["standard"], ["vanilla"], [0, 1, 2])
    sweep(tmp_path, "paper", jobs, left_out=[jobs[1]["job_id"]])
    ablation(tmp_path, "table3")
    ablation(tmp_path, "table4")
    assert write_paper(tmp_path, figures=False) == 1
    assert "(2/3)" in written(tmp_path)["table2.tex"].decode()


def test_predictions_that_contradict_the_record_are_refused_and_nothing_is_written(tmp_path):
    [job] = make_grid(["hiv"], ["standard"], ["vanilla"], [0])
    store = sweep(tmp_path, "paper", [job], left_out=[job["job_id"]])
    arrays = arrays_of(COUNTS["hiv"], 0)
    record = record_of(job, arrays)
    arrays["test_logits"] = arrays["test_logits"][::-1]
    store.write(job["job_id"], record, arrays, {"network.w": np.zeros(1)})
    with pytest.raises(StoreError, match="metrics recomputed"):
        write_paper(tmp_path, figures=False)
    assert not (tmp_path / "paper").exists()


@pytest.mark.fault(51)
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda record: record["data"].update(sha256="0" * 64), "one data file"),
        (lambda record: record["data"].update(split_hash="0" * 64), "one split"),
    ],
)
def test_tables_that_must_not_stand_side_by_side_are_refused(tmp_path, change, rule):
    """Table 3 on another revision of the file than Table 2 would be compared with it."""
    sweep(tmp_path, "paper", main_jobs())
    jobs = make_grid(["uspto_50k"], ["standard"], ["sdr[warm_up=0]"], [0])
    store = sweep(tmp_path, "table3", jobs, left_out=[jobs[0]["job_id"]])
    arrays = arrays_of(COUNTS["uspto_50k"], 0)
    record = record_of(jobs[0], arrays)
    change(record)
    store.write(jobs[0]["job_id"], record, arrays, {"network.w": np.zeros(1)})
    with pytest.raises(StoreError, match=rule):
        write_paper(tmp_path, figures=False)


def test_a_run_with_a_changed_file_counts_as_missing(tmp_path):
    jobs = make_grid(["hiv"], ["standard"], ["vanilla"], [0, 1])
    sweep(tmp_path, "paper", jobs)
    save_file({"x": np.zeros(1)}, tmp_path / "runs" / jobs[0]["job_id"] / "predictions.safetensors")
    assert write_paper(tmp_path, figures=False) == 1
    assert "(1/2)" in written(tmp_path)["table2.tex"].decode()


def test_the_command_line_writes_to_the_folder_asked_for(tmp_path, monkeypatch):
    # tests/report/test_figures.py holds that pictures are equal however many processes draw.
    monkeypatch.setattr("bench.commands.paper.default_jobs", lambda: 1)
    sweep(tmp_path, "paper", main_jobs())
    result = CliRunner().invoke(cli, ["paper", "--out", str(tmp_path)], standalone_mode=False)
    assert result.return_value == 1
    assert (tmp_path / "paper" / "paper.tex").exists()
    assert json.loads((tmp_path / "plans" / "paper.json").read_bytes())["schema"] == 1


def own_jobs():
    jobs = make_grid(["csv"], ["standard"], ["vanilla", "cb"], [0, 1])
    for job in jobs:
        job["dataset_label"] = "my_own"
    return jobs


def test_a_complete_benchmark_of_ones_own_data_is_all_that_was_asked_for(tmp_path, capsys):
    """Data of one's own end with the code of a failure, and empty tables of the paper."""
    jobs = own_jobs()
    sweep(tmp_path, "quick", jobs)
    assert write_paper(tmp_path, figures=False) == 0
    out = capsys.readouterr().out
    assert "--preset" not in out
    assert (
        "Tables 3 and 4, the comparison, the agreement and the contradictions are of the paper's "
        "data sets; not written.\n"
    ) in out
    assert "No runs to show in explanation; not written.\n" in out
    names = {"table1", "table2", "figure1"}
    files = written(tmp_path)
    expected = {f"{name}.{ending}" for name in names for ending in ("csv", "md", "tex")}
    assert set(files) == {*expected, "paper.tex"}
    for name in names:
        assert b"my_own" in files[f"{name}.csv"]
        assert b"uspto_50k" not in files[f"{name}.csv"]
    assert b"table3" not in files["paper.tex"]


def test_a_table_of_nothing_but_dashes_is_not_written(tmp_path, capsys):
    jobs = own_jobs()
    sweep(tmp_path, "quick", jobs, left_out=[job["job_id"] for job in jobs])
    assert write_paper(tmp_path, figures=False) == 1
    assert "No runs to show in table1, " in capsys.readouterr().out
    assert "table1.md" not in written(tmp_path)
    assert "table2.tex" in written(tmp_path)


def test_a_run_that_is_missing_of_ones_own_data_is_code_1(tmp_path):
    jobs = own_jobs()
    sweep(tmp_path, "quick", jobs, left_out=[jobs[0]["job_id"]])
    assert write_paper(tmp_path, figures=False) == 1
