from __future__ import annotations

import csv
import dataclasses
import io
import os
import re

import pytest
from rich.console import Console

from bench.errors import StoreError
from bench.plain_text import visible
from bench.report.document.report import Entry, Heading, Report, Section
from bench.report.model.table2 import table2
from bench.report.tables.table2 import table2_report
from bench.report.writers.csv_files import report_csv, runs_csv, table2_csv
from bench.report.writers.latex import report_latex
from bench.report.writers.markdown import markdown, report_markdown
from bench.report.writers.terminal import render_terminal
from bench.report.writers.write import write_report
from tests.report.report_records import binary, make_grid, make_job, make_plan, make_record


def table_of(jobs, records=None, failures=None):
    records = [make_record(job) for job in jobs] if records is None else records
    return table2(make_plan(jobs), records, failures or {})


def table_of_means(means):
    """`means` maps methods to balanced accuracies by seed; None is a missing run."""
    jobs, records = [], []
    for method, values in means.items():
        for seed, value in enumerate(values):
            jobs.append(make_job("chembl_ki", method=method, seed=seed))
            if value is not None:
                records.append(make_record(jobs[-1], binary(value)))
    return table_of(jobs, records)


def pipe_tables(text):
    """Lists of lines, each a list of cells, split at unescaped pipes as a renderer does."""
    tables = re.findall(r"(?:^\|.*\|\n?)+", text, flags=re.MULTILINE)
    return [
        [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in table.strip().split("\n")
        ]
        for table in tables
    ]


def main_figures(means):
    """Method to what the first section prints as balanced accuracy."""
    lines = pipe_tables(markdown(table_of_means(means)))[0]
    return {line[0]: line[1] for line in lines[2:]}


def csv_rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def terminal(table, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(render_terminal(table))
    return console.file.getvalue()


def test_cells_print_mean_deviation_and_share_of_the_planned_runs():
    figures = main_figures(
        {
            "all": [0.1, 0.2, 0.3],
            "best": [0.8, 0.8, 0.8],
            "holed": [0.9, None, 0.8],
            "lone": [0.9, None, None],
            "none": [None, None, None],
        }
    )
    assert figures == {
        "all": "20.00 ± 10.00",
        "best": "**80.00 ± 0.00**",
        "holed": "85.00 ± 7.07 (2/3)",
        "lone": "90.00 (1/3)",
        "none": "– (0/3)",
    }


@pytest.mark.fault(44)
def test_single_run_prints_no_deviation():
    assert main_figures({"a": [0.7], "b": [0.6]}) == {"a": "**70.00**", "b": "60.00"}


def test_tied_leaders_are_both_bold():
    figures = main_figures({"a": [0.7], "b": [0.7], "c": [0.6]})
    assert figures == {"a": "**70.00**", "b": "**70.00**", "c": "60.00"}


@pytest.mark.parametrize("is_terminal", [True, False])
def test_where_nothing_can_be_bold_a_star_stands_before_the_figure(is_terminal):
    jobs = [make_job(method=name) for name in ("a", "b")]
    table = table_of(jobs, [make_record(jobs[0], binary(0.7)), make_record(jobs[1], binary(0.6))])
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=100)
    console.print(render_terminal(dataclasses.replace(table, leaders=None)))
    printed = console.file.getvalue()
    assert ("*70.00" in printed) is not is_terminal
    assert "*60.00" not in printed
    assert ("Bold: best mean" if is_terminal else "*: best mean") in printed


def test_published_figures_stand_in_their_own_column_and_are_never_bold():
    # Far above what the record has.
    job = make_job("hiv", method="cb")
    lines = pipe_tables(markdown(table_of([job], [make_record(job, binary(0.2))])))[0]
    assert lines[0] == ["Method", "hiv BA", "paper", "hiv BF1", "paper"]
    assert lines[2] == ["cb", "**20.00**", "*73.12*", "**20.00**", "*72.64*"]


def test_proxy_is_marked_wherever_it_is_named_and_said_not_to_be_the_papers_data_set():
    table = table_of(make_grid(["hiv", "chembl_ki"], seeds=(0, 1)))
    text = markdown(table)
    assert "- **chembl_ki‡**: a proxy data set for the paper's SBAP" in text
    named = [line for lines in pipe_tables(text) for line in lines if "chembl_ki" in str(line)]
    assert len(named) == 5 + 3  # headings, and the tables of files and splits
    assert all("chembl_ki‡" in str(line) for line in named)
    assert "hiv‡" not in text
    shown = terminal(table, 80)
    assert "chembl_ki‡" in shown
    assert "its figures are not SBAP figures" in " ".join(shown.split())
    for rows in (csv_rows(table2_csv(table)), csv_rows(runs_csv(table))):
        assert {(row["dataset"], row["stands_in_for"]) for row in rows} == {
            ("hiv", ""),
            ("chembl_ki", "SBAP"),
        }


def test_means_of_several_seeds_have_a_table_of_intervals():
    lines = pipe_tables(markdown(table_of_means({"a": [0.7, 0.72, 0.74], "b": [0.6, None, None]})))
    assert lines[1][0] == ["Method", "chembl_ki‡ BA", "chembl_ki‡ BF1"]
    # 72 ± 4.303 x 2 / sqrt(3)
    assert [line[:2] for line in lines[2 - 1][2:]] == [["a", "67.03 to 76.97"], ["b", "–"]]
    assert "95 % intervals" not in markdown(table_of_means({"a": [0.7], "b": [0.6]}))


def test_rows_without_a_label_are_not_called_unusable():
    """A record counts all rows left out; most of them may only lack a label."""
    record = make_record(make_job())
    record["data"]["unusable"] = 6
    text = markdown(table_of([make_job()], [record]))
    files = next(lines for lines in pipe_tables(text) if "sha256" in lines[0])
    assert dict(zip(files[0], files[2], strict=True))["rows left out"] == "6"
    assert "unusable" not in text


def test_seeds_that_agree_by_chance_give_no_interval():
    table = table_of_means({"a": [0.7, 0.72], "b": [0.6, 0.6]})
    text = markdown(table)
    assert [line[1] for line in pipe_tables(text)[1][2:]] == ["58.29 to 83.71", "–"]
    assert "and where all seeds agree by chance" in text
    lines = {
        line["method"]: line
        for line in csv_rows(table2_csv(table))
        if line["metric"] == "balanced_accuracy"
    }
    assert (lines["b"]["std"], lines["b"]["low"], lines["b"]["high"]) == ("0.0000", "", "")
    assert lines["a"]["low"]
    # Nor is there a table of nothing but dashes.
    assert "95 % intervals" not in markdown(table_of_means({"b": [0.6, 0.6]}))


@pytest.mark.fault(49)
def test_tail_recall_has_wilsons_interval_beside_it():
    table = table_of([make_job()], [make_record(make_job(), [[77, 0], [11, 12]])])
    tail = next(lines for lines in pipe_tables(markdown(table)) if "hiv tail" in lines[0])
    assert tail[2][3] == r"**52.17** \[33.0 to 70.8\]"
    (row,) = [row for row in csv_rows(table2_csv(table)) if row["metric"] == "recall_tail"]
    bounds = float(row["wilson_low"]), float(row["wilson_high"])
    assert bounds == pytest.approx((33.0, 70.8), abs=0.05)
    others = [row for row in csv_rows(table2_csv(table)) if row["metric"] != "recall_tail"]
    assert {row["wilson_low"] for row in others} == {""}


def test_failed_run_is_marked_and_its_reason_listed():
    jobs = make_grid()
    failures = {jobs[1]["job_id"]: {"reason": "non-finite loss | epoch 3", "error": "..."}}
    text = markdown(table_of(jobs, [make_record(jobs[0]), make_record(jobs[2])], failures))
    assert "(2/3) †1" in pipe_tables(text)[0][2][1]
    assert r"- **†1**: hiv / random / vanilla / seed 1: non-finite loss \| epoch 3 (job" in text
    assert "3 planned, 2 complete, 1 failed, 0 missing" in text


@pytest.mark.fault(42)
def test_undefined_figure_prints_as_not_applicable():
    text = markdown(table_of(make_grid()))
    groups = next(lines for lines in pipe_tables(text) if "hiv middle" in lines[0])
    assert groups[2][2] == "n/a"


def test_batch_sizes_that_differ_are_told_by_method():
    jobs = [make_job(method="cb"), make_job(method="sdr")]
    records = [make_record(jobs[0]), make_record(jobs[1], batch_size=512)]
    assert "batch size 128 (cb) and 512 (sdr)" in markdown(table_of(jobs, records))


@pytest.mark.parametrize(
    "name", ["a|b", "*a*", "<b>a</b>", "`a`", "[a](b)", "_a_", r"a\|b", "a\nb"]
)
def test_markup_in_names_stays_text_in_one_cell(name):
    table = table_of([make_job(method="mine", title=name)])
    for lines in pipe_tables(markdown(table)):
        assert len({len(line) for line in lines}) == 1
    shown = pipe_tables(markdown(table))[0][2][0]
    assert re.sub(r"\\(.)", r"\1", shown) == name.replace("\n", " ")
    assert not re.search(r"(?<!\\)[|*<>`\[\]]", shown)


def test_underscores_inside_names_are_left_alone():
    assert pipe_tables(markdown(table_of([make_job("uspto_50k")])))[0][0][1] == "uspto_50k BA"


def test_empty_plan_gives_headings_only():
    table = table_of([])
    assert "0 planned" in markdown(table)
    assert csv_rows(table2_csv(table)) == []
    assert csv_rows(runs_csv(table)) == []
    assert terminal(table, 80)


def test_two_hundred_methods_keep_their_lines():
    jobs = [make_job("hiv", method=f"m{i:03d}") for i in range(200)]
    table = table_of(jobs)
    assert [line[0] for line in pipe_tables(markdown(table))[0][2:]] == sorted(
        job["title"] for job in jobs
    )
    assert len(csv_rows(runs_csv(table))) == 200
    assert terminal(table, 80).count(" m1") == 100


def test_csv_gives_main_figures_first_and_keeps_the_line_of_an_empty_cell():
    jobs = [make_job(method=method) for method in ("vanilla", "cb")]
    rows = csv_rows(table2_csv(table_of(jobs, [make_record(jobs[0], binary(0.7))])))
    assert [(row["method"], row["metric"]) for row in rows[:4]] == [
        ("vanilla", "balanced_accuracy"),
        ("vanilla", "balanced_f1"),
        ("cb", "balanced_accuracy"),
        ("cb", "balanced_f1"),
    ]
    assert rows[0] == {
        "dataset": "hiv",
        "split": "random",
        "method": "vanilla",
        "title": "vanilla",
        "metric": "balanced_accuracy",
        "mean": "70.0000",
        "std": "",
        "n": "1",
        "published": "71.8900",
        "difference": "-1.8900",
        "low": "",
        "high": "",
        "in_best_group": "",
        "expected": "1",
        "failed": "0",
        "wilson_low": "",
        "wilson_high": "",
        "stands_in_for": "",
        "classes_used": "2",
        "classes": "2",
        "backbone": "",
    }
    assert (rows[2]["mean"], rows[2]["n"], rows[2]["published"]) == ("", "0", "73.1200")
    assert {row["metric"]: row["mean"] for row in rows[4:] if row["method"] == "vanilla"} == {
        "auroc_ovr_macro": "75.0000",
        "recall_head": "70.0000",
        "recall_middle": "",
        "recall_tail": "70.0000",
        "accuracy": "70.0000",
        "macro_f1": "70.0000",
        "log_loss": "0.4321",
        "ece": "1.2500",
    }


def test_means_of_the_csv_follow_from_the_runs():
    table = table_of(make_grid(("hiv", "chembl_ki"), ("random", "standard"), ("cb", "mine")))
    runs = csv_rows(runs_csv(table))
    for row in csv_rows(table2_csv(table)):
        own = [
            float(run[row["metric"]])
            for run in runs
            if all(run[key] == row[key] for key in ("dataset", "split", "method"))
            and run[row["metric"]]
        ]
        assert int(row["n"]) == len(own)
        if own:
            scale = 1 if row["metric"] == "log_loss" else 100
            assert float(row["mean"]) == pytest.approx(scale * sum(own) / len(own), abs=5.1e-5)


def test_runs_csv_has_a_line_for_every_planned_run_in_full_precision():
    jobs = make_grid()
    failures = {jobs[1]["job_id"]: {"reason": "out of\nmemory", "error": "..."}}
    record = make_record(jobs[0], [[2, 1], [0, 3]])
    rows = csv_rows(runs_csv(table_of(jobs, [record], failures)))
    assert [row["status"] for row in rows] == ["complete", "failed", "missing"]
    assert float(rows[0]["balanced_accuracy"]) == record["metrics"]["balanced_accuracy"]
    assert rows[0]["split_hash"] == record["data"]["split_hash"]
    assert rows[0]["data_sha256"] == record["data"]["sha256"]
    assert (rows[0]["selected_epoch"], rows[0]["classes_used"]) == ("7", "2")
    assert rows[1]["reason"] == "out of memory"
    assert [row["job_id"] for row in rows] == [job["job_id"] for job in jobs]
    assert not any(rows[2][key] for key in rows[2] if key not in {
        "dataset", "split", "method", "seed", "status", "job_id", "command",
    })  # fmt: skip


@pytest.mark.fault(55)
def test_a_heading_that_a_spreadsheet_takes_for_a_formula_is_disarmed():
    report = Report("name", "", (), (), (), ("=cmd|'/C calc'!A0", " @x", "mean"), ())
    assert report_csv(report) == "'=cmd|'/C calc'!A0,' @x,mean\n"


HIDDEN = "\x1b[2J\x07\x9b\u202eevil\u2066\ud800"


@pytest.mark.parametrize("write", [markdown, table2_csv, runs_csv], ids=lambda w: w.__name__)
def test_control_characters_and_marks_of_direction_are_shown_as_codes(write):
    job = make_job(title=HIDDEN, group=HIDDEN)
    text = write(table_of([job], [], {job["job_id"]: {"reason": HIDDEN}}))
    assert "evil" in text
    assert visible(text) == text


def test_sheets_show_control_characters_as_codes():
    section = Section(HIDDEN, (Heading(HIDDEN, HIDDEN),), ((Entry(HIDDEN),),))
    notes = ((HIDDEN, HIDDEN),)
    report = Report("name", HIDDEN, (HIDDEN,), notes, (section,), (HIDDEN,), ((HIDDEN,),))
    for text in (report_csv(report), report_markdown(report), report_latex(report)):
        assert "evil" in text
        assert visible(text) == text


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t=", "\r\n="])
def test_text_that_a_spreadsheet_takes_for_a_formula_is_disarmed(first):
    title = first + "HYPERLINK(1)"
    job = make_job(method="mine", title=title)
    failures = {job["job_id"]: {"reason": "=cmd", "error": "..."}}
    table = table_of([job], [], failures)
    assert {row["title"] for row in csv_rows(table2_csv(table))} == {"'" + title.strip()}
    assert csv_rows(runs_csv(table))[0]["reason"] == "'=cmd"


@pytest.mark.fault(55)
def test_every_text_of_a_sheet_is_disarmed_and_negative_numbers_stay_numbers():
    values = ("=1+1", "@x", "-x", -1, -0.5, None)
    report = Report("name", "", (), (), (), ("text",) * len(values), (values,))
    assert report_csv(report).splitlines()[1] == "'=1+1,'@x,'-x,-1,-0.5000,"
    table = table_of([make_job()], [make_record(make_job(), binary(0.1))])
    assert csv_rows(table2_csv(table))[0]["difference"] == "-61.8900"


@pytest.mark.parametrize("width", [80, 200])
def test_terminal_cuts_no_figure_and_stays_within_the_width(width):
    jobs = make_grid(("hiv", "chembl_ki"), ("random", "standard"), ("vanilla", "cb[beta=0.99]"))
    jobs = [{**job, "title": f"A rather long title of {job['method_label']}"} for job in jobs]
    table = table_of(jobs, [make_record(job) for job in jobs if job["seed"] < 2])
    text = terminal(table, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert text.count("(2/3)") == 16
    assert text.count("Random split:") == (2 if width == 80 else 1)
    assert "Missing: 8 planned runs." in text


def test_terminal_prints_markup_in_names_as_it_stands():
    text = terminal(table_of([make_job(method="mine", title="[red]x[/red]")]), 80)
    assert "[red]x[/red]" in text


def test_terminal_names_failed_runs():
    job = make_job()
    table = table_of([job], [], {job["job_id"]: {"reason": "[out] of memory", "error": ""}})
    assert "failed hiv / random / vanilla / seed 0: [out] of memory" in terminal(table, 80)


def test_files_are_utf8_with_line_feeds_only(tmp_path):
    jobs = make_grid()
    paths = write_report(
        tmp_path / "new", table2(make_plan(jobs), [make_record(j) for j in jobs], {})
    )
    assert [path.name for path in paths] == ["table2.md", "table2.csv", "runs.csv"]
    for path in paths:
        assert b"\r" not in path.read_bytes()
        assert path.read_bytes().decode("utf-8").endswith("\n")


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=f"report to {tmp_path / 'file' / 'results'}"):
        write_report(tmp_path / "file" / "results", table2(make_plan([]), [], {}))


def test_interrupted_write_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    jobs = make_grid()
    write_report(tmp_path, table2(make_plan(jobs), [], {}))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StoreError, match="No space left"):
        write_report(tmp_path, table2(make_plan(jobs), [make_record(job) for job in jobs], {}))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def mixed(**provenance):
    jobs = make_grid(methods=("vanilla", "cb"))
    records = [make_record(job) for job in jobs]
    for record in records:
        record["provenance"] |= {"device": "cpu", "packages": {"torch": "2.13.0+cpu"}}
    records[-1]["provenance"] |= provenance
    return table_of(jobs, records)


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ({"device": "NVIDIA H100"}, "1 run on NVIDIA H100 with torch 2.13.0+cpu (cb)"),
        ({"packages": {"torch": "2.14.0"}}, "1 run on cpu with torch 2.14.0 (cb)"),
        ({"packages": {}}, "1 run on cpu with torch of unknown version (cb)"),
    ],
    ids=["device", "torch", "unknown"],
)
def test_machines_that_are_mixed_in_a_table_are_named_with_it(provenance, words):
    table = mixed(**provenance)
    report = table2_report(table)
    together = "5 runs on cpu with torch 2.13.0+cpu (all methods)"
    for text in (
        markdown(table),
        terminal(table, 400),
        report_markdown(report),
        report_latex(report),
    ):
        plain = text.replace("\\", "").replace("{-}", "-")
        assert "Mixed machines" in plain
        assert words in plain
        assert together in plain


def test_code_that_was_edited_between_the_runs_of_a_table_is_named_with_it():
    """An edit while a benchmark runs: means over two versions of a method."""
    jobs = make_grid(methods=("vanilla", "cb"))
    records = [make_record(job) for job in jobs]
    shared = {"bench/training/loop.py": "0" * 16}
    for record in records:
        name = record["job"]["method"]["name"]
        record["sources"] = shared | {f"methods/{name}.py": "1" * 16, f"{name}_data.py": "3" * 16}
    assert "Mixed code" not in markdown(table_of(jobs, records))
    last = next(r for r in reversed(records) if r["job"]["method"]["name"] == "cb")
    last["sources"]["methods/cb.py"] = "2" * 16
    table = table_of(jobs, records)
    for text in (markdown(table), terminal(table, 400), report_markdown(table2_report(table))):
        assert "Mixed code" in text
        assert "the code of methods/cb.py (of cb) is not the same" in text.replace("\\", "")
    kept = [{**job, "changed": ["methods/cb.py"]} for job in jobs if job["method"] == "cb"]
    text = markdown(table_of([*(job for job in jobs if job["method"] != "cb"), *kept], records))
    assert "Mixed code" not in text
    assert "methods/cb.py changed after 3 of the runs" in text.replace("\\", "")


def test_runs_of_one_machine_have_no_word_about_it():
    table = mixed()
    for text in (markdown(table), terminal(table, 400), report_markdown(table2_report(table))):
        assert "machines" not in text
