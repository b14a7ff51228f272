"""Method or encoder: means by both, what cannot be analysed, and files that go again."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from bench.report.model.registered import with_registered_names
from bench.report.model.table2 import table2
from bench.report.writers.encoders import FILES, encoder_texts, sentence
from bench.report.writers.write import write_report
from bench.statistics.two_way import two_way
from tests.report.report_records import make_grid, make_plan, make_record

METHODS = ("vanilla", "cb", "vanilla[backbone=gin]", "cb[backbone=gin]")


def planned(methods=METHODS, seeds=(0, 1), left_out=lambda job: False):
    """The table of `methods`; `ecfp_forest` has no encoder."""
    jobs = make_grid(("hiv",), ("random",), methods, seeds)
    plan = make_plan(jobs)
    plan["settings"]["backbones"] = {"molecule": "gcn"}
    records = [make_record(job) for job in jobs if not left_out(job)]
    return table2(with_registered_names(plan), records, {})


def lines(texts):
    return list(csv.DictReader(io.StringIO(texts["encoders.csv"])))


def test_each_mean_stands_where_its_method_and_encoder_meet():
    table = planned((*METHODS, "ecfp_forest"))
    texts = encoder_texts(table)
    assert tuple(texts) == FILES
    cells = {(line["method"], line["backbone"]): line for line in lines(texts)
             if line["kind"] == "cell"}  # fmt: skip
    assert set(cells) == {(m, e) for m in ("vanilla", "cb") for e in ("gcn", "gin")}
    row = next(row for row in table.rows if row.label == "cb[backbone=gin]")
    of_row = table.cells["random", "hiv", row.label, "balanced_accuracy"]
    assert cells["cb", "gin"]["mean"] == f"{of_row.mean:.4f}"
    assert cells["cb", "gin"]["std"] == f"{of_row.std:.4f}"
    assert f"{of_row.mean:.2f} ± {of_row.std:.2f}" in texts["encoders.md"]
    assert "ecfp_forest" not in texts["encoders.md"]


def test_the_analysis_is_that_of_the_scores():
    table = planned()
    cell = table.cells
    scores = [
        [[*cell["random", "hiv", label, "balanced_accuracy"].values.values()] for label in labels]
        for labels in (("vanilla", "vanilla[backbone=gin]"), ("cb", "cb[backbone=gin]"))
    ]
    found = two_way(np.array(scores))
    texts = encoder_texts(table)
    assert sentence(found) in texts["encoders.md"]
    shares = {line["kind"]: line["share"] for line in lines(texts) if line["kind"] != "cell"}
    assert shares == {name: f"{getattr(found, name).share:.4f}" for name in
                      ("method", "encoder", "interaction", "seed", "residual")}  # fmt: skip


@pytest.mark.parametrize(
    "methods",
    [
        ("vanilla", "cb"),
        ("vanilla[backbone=gin]", "cb[backbone=gin]"),
        ("vanilla", "vanilla[backbone=gin]"),
        ("vanilla", "cb[backbone=gin]"),
        ("ecfp_forest", "vanilla", "vanilla[backbone=gin]"),
    ],
)
def test_nothing_without_two_methods_of_two_encoders(methods):
    assert encoder_texts(planned(methods)) == {}


def test_a_method_without_runs_of_one_encoder_leaves_nothing_to_test():
    texts = encoder_texts(planned(left_out=lambda job: job["method_label"] == "cb[backbone=gin]"))
    assert "Nothing can be tested" in texts["encoders.md"]
    (missing,) = [line for line in lines(texts) if (line["method"], line["backbone"]) ==
                  ("cb", "gin")]  # fmt: skip
    assert (missing["mean"], missing["n"]) == ("", "0")


def test_a_seed_that_one_run_lacks_is_no_seed_of_the_test():
    lacks = lambda job: (job["method_label"], job["seed"]) == ("cb", 2)  # noqa: E731
    texts = encoder_texts(planned(seeds=(0, 1, 2), left_out=lacks))
    degrees = {line["kind"]: line["degrees"] for line in lines(texts)}
    assert degrees["seed"] == "1"
    assert texts["encoders.md"].endswith("Of 2 seeds that all of them have.\n")
    assert texts["encoders.md"].count("(2/3) |") == 1


def test_a_failed_run_is_marked_and_no_label_is_a_formula():
    jobs = make_grid(("=*hiv*",), ("random",), METHODS, (0, 1))
    plan = make_plan(jobs)
    plan["settings"]["backbones"] = {"molecule": "gcn"}
    records = [make_record(job) for job in jobs[1:]]
    failures = {jobs[0]["job_id"]: {"reason": "it broke", "error": ""}}
    texts = encoder_texts(table2(with_registered_names(plan), records, failures))
    assert texts["encoders.md"].count("(1/2)† |") == 1
    assert {line["dataset"] for line in lines(texts)} == {"'=*hiv*"}
    assert "## =\\*hiv\\*, random split" in texts["encoders.md"]


def test_one_seed_has_means_and_no_test():
    texts = encoder_texts(planned(seeds=(0,)))
    assert "Nothing can be tested" in texts["encoders.md"]
    assert "±" not in texts["encoders.md"].split("## ")[1]
    assert {line["kind"] for line in lines(texts)} == {"cell"}


def test_text_of_a_label_makes_no_cell_of_its_own():
    methods = ("vanilla", "cb[note=a|b]", "vanilla[backbone=gin]", "cb[backbone=gin,note=a|b]")
    table = planned(methods)
    texts = encoder_texts(table)
    rows = [line for line in texts["encoders.md"].splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {4}
    assert "cb[note=a|b]" in {line["method"] for line in lines(texts)}


@pytest.mark.parametrize(
    ("method", "encoder", "said"),
    [
        (20.0, 3.0, "The method makes the larger difference; both stand out"),
        (3.0, 20.0, "The encoder makes the larger difference; both stand out"),
        (20.0, 0.0, "Only the method stands out"),
        (0.0, 20.0, "Only the encoder stands out"),
        (0.0, 0.0, "Neither method nor encoder stands out"),
    ],
)
def test_what_is_said(method, encoder, said):
    noise = np.array([[[0.1, -0.1, 0.2], [-0.2, 0.1, 0.0]], [[0.0, 0.2, -0.1], [0.1, -0.2, -0.1]]])
    places = np.arange(2.0)
    scores = 70 + method * places[:, None, None] + encoder * places[None, :, None] + noise
    assert sentence(two_way(scores)).startswith(said)


def test_a_tiny_p_is_not_printed_as_zero():
    noise = np.array([[[0.1, -0.1, 0.2], [-0.2, 0.1, 0.0]], [[0.0, 0.2, -0.1], [0.1, -0.2, -0.1]]])
    said = sentence(two_way(70 + 20 * np.arange(2.0)[:, None, None] + noise))
    assert "method p < 0.001, encoder p = 0." in said


def test_equal_scores_are_not_tested():
    assert "(no test)" in sentence(two_way(np.full((2, 2, 2), 70.0)))


def test_files_of_an_earlier_plan_go_with_its_encoders(tmp_path):
    write_report(tmp_path, planned())
    assert all((tmp_path / name).is_file() for name in FILES)
    (tmp_path / "mine.txt").write_text("kept")
    written = write_report(tmp_path, planned(("vanilla", "cb")))
    assert not {path.name for path in written} & set(FILES)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written} | {
        "mine.txt"
    }
