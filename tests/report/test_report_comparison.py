from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from report_records import binary, make_grid, make_job, make_plan, make_record

from bench.errors import DataError
from bench.report.comparison import comparison, is_inside, published_recalls, sampling_error
from bench.report.published import PAPER, published, read_published
from bench.report.sheet import FAILED
from bench.report.table2 import table2
from bench.report.table3 import ablation

PUBLISHED = Path(__file__).parents[2] / "datasets" / "published"


def compared(jobs, records):
    sheet = comparison(table2(make_plan(jobs), records, {}), records)
    return [dict(zip(sheet.csv_header, line, strict=True)) for line in sheet.csv_lines]


@pytest.mark.fault(54)
def test_a_difference_is_flagged_right_at_the_boundary():
    error = 0.37
    assert is_inside(2 * error, error)
    assert is_inside(-2 * error, error)
    assert not is_inside(math.nextafter(2 * error, 1), error)
    assert not is_inside(math.nextafter(-2 * error, -1), error)
    assert is_inside(0.0, 0.0)


@pytest.mark.fault(54)
def test_the_flag_of_a_cell_changes_where_the_difference_passes_two_standard_errors():
    job = make_job("hiv", method="cb")
    flags = {}
    for thousandths in range(680, 860):
        [line] = compared([job], [make_record(job, binary(thousandths / 1000))])
        flags[thousandths] = line["within_two_standard_errors"]
        inside = abs(line["difference"]) <= 2 * line["standard_error"]
        assert line["within_two_standard_errors"] == ("inside" if inside else "outside")
    assert set(flags.values()) == {"inside", "outside"}
    assert flags[731] == "inside"


def test_standard_error_of_seeds_and_of_the_published_run_by_hand():
    jobs = make_grid(methods=("vanilla",))
    scores = (0.70, 0.72, 0.74)
    records = [make_record(job, binary(score)) for job, score in zip(jobs, scores, strict=True)]
    [line] = compared(jobs, records)
    # Implied recalls .981 and .457, 100,000 test samples of each class here.
    theirs = math.sqrt(0.980795 * 0.019205 + 0.457005 * 0.542995) / math.sqrt(1e5) / 2
    ours = 0.02 / math.sqrt(3)
    assert line["standard_error"] == pytest.approx(100 * math.hypot(ours, theirs), rel=1e-4)


def test_one_run_is_given_its_own_sampling_error():
    job = make_job("hiv", method="vanilla")
    [line] = compared([job], [make_record(job, [[90, 10], [50, 50]])])
    theirs = math.sqrt((0.980795 * 0.019205 + 0.457005 * 0.542995) / 100) / 2
    ours = math.sqrt((0.9 * 0.1 + 0.5 * 0.5) / 100) / 2
    assert line["standard_error"] == pytest.approx(100 * math.hypot(ours, theirs), rel=1e-4)


def test_the_larger_recall_goes_to_the_larger_class_and_impossible_pairs_have_equal_ones():
    assert published_recalls(0.7189, 0.6982, np.array([9, 1]))[0] > 0.9
    assert published_recalls(0.7189, 0.6982, np.array([1, 9]))[1] > 0.9
    assert published_recalls(0.7369, 0.7123, np.array([9, 1])).tolist() == [0.7369, 0.7369]
    assert published_recalls(0.94, 0.94, np.ones(10)).tolist() == [0.94] * 10


def test_sampling_error_of_the_published_hiv_runs_is_about_what_the_formulas_say():
    # Test parts of the sizes that HIV has: 1.4 points on the random split, 1.6 on the standard one.
    recall = np.array([0.907, 0.636])
    assert 100 * sampling_error(recall, np.array([7937, 289])) == pytest.approx(1.4, abs=0.05)
    assert 100 * sampling_error(recall, np.array([289, 289])) == pytest.approx(1.6, abs=0.1)


def test_a_cell_without_runs_has_no_verdict():
    job = make_job("hiv", method="cb")
    [line] = compared([job], [])
    figures = ("mean", "standard_error", "within_two_standard_errors")
    assert [line[name] for name in figures] == [None, None, ""]


@pytest.mark.fault(54)
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("table3.csv", "warm_up,balanced_accuracy\nno,91\n", "Expected the columns"),
        ("table3.csv", "warm_up,dynamic,balanced_accuracy\nno,yes,91\n", "each once"),
        ("table4.csv", "reweighting,balanced_accuracy,note\nnone,92,\n", "each once"),
        ("table4.csv", None, "it is not there"),
    ],
)
def test_a_damaged_file_of_published_figures_is_refused_with_its_name(tmp_path, name, text, words):
    for path in PUBLISHED.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        read_published(tmp_path)
    assert name in str(caught.value)


@pytest.mark.fault(54)
def test_every_published_figure_is_read_and_has_its_source():
    for name, columns in (("table3", 2), ("table4", 1)):
        with (PUBLISHED / f"{name}.csv").open(encoding="utf-8") as lines:
            rows = list(csv.reader(lines))[1:]
        printed = [(v.names, v.balanced_accuracy) for v in published().variants[name]]
        assert printed == [(tuple(row[:columns]), float(row[columns])) for row in rows]
        jobs = make_grid(["uspto_50k"], ["standard"], ["sdr"])
        sheet = ablation(name, table2(make_plan(jobs), [make_record(job) for job in jobs], {}))
        assert dict(sheet.notes)["Source"].startswith(f"Table {name[-1]} of {PAPER}")


@pytest.mark.parametrize(
    ("dataset", "split", "shown"),
    [
        ("uspto_50k", "standard", True),
        ("uspto_50k[inputs=joined]", "standard", True),
        ("uspto_50k", "random", False),
        ("hiv", "standard", False),
    ],
)
def test_ablations_are_compared_only_where_the_paper_ran_them(dataset, split, shown):
    jobs = make_grid([dataset], [split], ["sdr[warm_up=0]", "sdr"], seeds=[0])
    sheet = ablation("table3", table2(make_plan(jobs), [make_record(job) for job in jobs], {}))
    lines = [dict(zip(sheet.csv_header, line, strict=True)) for line in sheet.csv_lines]
    assert [line["published"] is not None for line in lines] == [shown] * 3
    # sdr[dynamic=false] was not planned.
    assert [line["n"] for line in lines] == [1, 0, 1]


@pytest.mark.parametrize("preset", ["paper", "table3", "table4", "mine"])
def test_settings_that_the_papers_presets_chose_do_not_hide_its_figures(preset):
    jobs = make_grid(["uspto_50k"], ["standard"], ["sdr[reweighting=none]", "sdr"], seeds=[0])
    plan = make_plan(jobs)
    plan["settings"] |= {"preset": preset, "method_options": {"sdr": {"agg": "mean"}}}
    sheet = ablation("table4", table2(plan, [make_record(job) for job in jobs], {}))
    lines = {line[2]: dict(zip(sheet.csv_header, line, strict=True)) for line in sheet.csv_lines}
    assert (lines["sdr"]["published"] == 94.12) is (preset != "mine")
    assert dict(sheet.notes)["Method settings"].startswith("sdr agg mean.")


def test_what_a_part_is_worth_has_an_interval_over_seeds_that_both_have():
    jobs = make_grid(["uspto_50k"], ["standard"], ["sdr[reweighting=none]", "sdr"])
    first_row = {"sdr[reweighting=none]": [40, 20, 0, 0], "sdr": [50, 10, 0, 0]}
    others = [[0, 40, 0, 0], [0, 0, 20, 0], [0, 0, 0, 10]]
    records = [make_record(job, [first_row[job["method_label"]], *others]) for job in jobs]
    # One seed of the whole method is missing.
    sheet = ablation("table4", table2(make_plan(jobs), records[:-1], {}))
    lines = {line[2]: dict(zip(sheet.csv_header, line, strict=True)) for line in sheet.csv_lines}
    gap = lines["sdr[reweighting=none]"]
    assert gap["minus_whole"] == pytest.approx(-100 * 10 / 60 / 4)
    assert gap["low"] <= gap["minus_whole"] <= gap["high"]
    assert [lines["sdr"][key] for key in ("minus_whole", "low", "high")] == [None] * 3
    lone = ablation("table4", table2(make_plan(jobs), [records[0], records[3]], {}))
    assert all(line[-3:] == (None,) * 3 for line in lone.csv_lines)


@pytest.mark.fault(50)
def test_a_variant_with_a_failed_run_is_marked_and_its_reason_listed():
    jobs = make_grid(["uspto_50k"], ["standard"], ["sdr"])
    failures = {jobs[1]["job_id"]: {"reason": "out of memory", "error": ""}}
    records = [make_record(jobs[0]), make_record(jobs[2])]
    sheet = ablation("table4", table2(make_plan(jobs), records, failures))
    texts = [line[2].text for line in sheet.blocks[0].lines]
    assert sum(text.endswith(f"(2/3){FAILED}") for text in texts) == 1
    assert texts.count("–") == 3
    assert any("out of memory" in text for _, text in sheet.notes)
