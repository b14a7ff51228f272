from __future__ import annotations

import csv
import dataclasses
import io

import numpy as np
import pytest

from bench.commands.report import rebuild_report
from bench.report.model import measures
from bench.report.model.best_sets import best_sets
from bench.report.model.table2 import table2
from bench.report.writers.csv_files import table2_csv
from bench.report.writers.markdown import markdown
from bench.statistics import balanced_accuracy_influence, confidence_set, sampling_covariance
from bench.sweep.decisions import decisions_of
from bench.sweep.store import Store
from tests.report.report_records import make_grid, make_plan, sha256
from tests.report.stored_runs import arrays_of, record_of, store_run

COUNTS = (400, 120)
BA = measures.MAIN[0]
# How far apart a method's logits keep the classes: two alike, one far worse.
STRENGTHS = {"cb": 3.0, "mine": 3.0, "vanilla": 0.5}


def stored(seeds=(0, 1, 2), strengths=STRENGTHS, left_out=()):
    """A table and the predictions of its runs by job id."""
    jobs = make_grid(methods=tuple(strengths), seeds=seeds)
    arrays = {
        job["job_id"]: arrays_of(COUNTS, [job["seed"], place], strengths[job["method"]])
        for place, job in enumerate(jobs)
        if (job["method"], job["seed"]) not in left_out
    }
    records = [record_of(job, arrays[job["job_id"]]) for job in jobs if job["job_id"] in arrays]
    return table2(make_plan(jobs), records, {}), arrays


def decided(arrays):
    """The decisions of a run by job id."""
    return lambda job_id: decisions_of(arrays[job_id])


def with_groups(*args, **settings):
    table, arrays = stored(*args, **settings)
    return dataclasses.replace(table, leaders=best_sets(table, decided(arrays)))


def bold_lines(table):
    block = markdown(table).split("## Random split")[1].split("##")[0]
    return {line.split("|")[1].strip() for line in block.splitlines() if "**" in line}


def test_bold_is_what_cannot_be_told_from_the_best():
    table = with_groups()
    assert table.best("random", table.columns[0], BA) == {"cb", "mine"}
    assert bold_lines(table) == {"cb", "mine"}
    assert len(bold_lines(dataclasses.replace(table, leaders=None))) == 1


def test_group_is_that_of_scores_and_test_samples():
    table, arrays = stored()
    leaders = best_sets(table, decided(arrays))["random", "hiv", "balanced_accuracy"]
    cells = [table.cell("random", table.columns[0], row, BA) for row in table.rows]
    assert leaders.methods == tuple(row.label for row in table.rows)
    scores = np.array([[cell.values[seed] for cell in cells] for seed in (0, 1, 2)])
    gradients = np.stack([balanced_accuracy_influence(np.eye(2))] * 3)
    covariances = []
    for seed in (0, 1, 2):
        runs = [arrays[cell.runs[seed].job_id] for cell in cells]
        predictions = np.stack([run["test_logits"].argmax(axis=1) for run in runs])
        covariances.append(
            100**2 * sampling_covariance(runs[0]["test_labels"], predictions, gradients)
        )
    assert leaders.confidence_set == confidence_set(
        scores, np.array(covariances), test_to_train=1 / 7
    )


def with_requires(requires, strengths):
    """A table in which the runs of a method require those of others, or runs outside the table."""
    jobs = make_grid(methods=tuple(strengths))
    ids = {(job["method"], job["seed"]): job["job_id"] for job in jobs}
    arrays, records = {}, []
    for place, job in enumerate(jobs):
        job_id = job["job_id"]
        arrays[job_id] = arrays_of(COUNTS, [job["seed"], place], strengths[job["method"]])
        record = record_of(job, arrays[job_id])
        record["job"]["requires"] = {
            f"role{number}": ids.get((name, job["seed"]), sha256(name, job["seed"])[:20])
            for number, name in enumerate(requires.get(job["method"], ()))
        }
        records.append(record)
    table = table2(make_plan(jobs), records, {})
    return dataclasses.replace(table, leaders=best_sets(table, decided(arrays)))


def test_methods_that_depend_on_one_run_are_a_cluster_and_the_caption_names_them():
    methods = ("vanilla", "vanilla_tuned", "tau_norm", "cb", "stack", "ib", "sdr", "mine")
    requires = {
        "vanilla_tuned": ["vanilla"],
        "tau_norm": ["vanilla_tuned"],  # by way of another
        "stack": ["cb", "ib"],
        "sdr": ["outside"],
        "mine": ["outside"],
    }
    table = with_requires(requires, dict.fromkeys(methods, 3.0))
    leaders = table.leaders["random", "hiv", "balanced_accuracy"]
    clusters = {tuple(sorted(labels)) for labels in leaders.clusters}
    assert clusters == {
        ("tau_norm", "vanilla", "vanilla_tuned"),
        ("cb", "ib", "stack"),
        ("mine", "sdr"),
    }
    auroc = table.leaders["random", "hiv", "auroc_ovr_macro"].confidence_set
    assert auroc.degrees == 2 * 2  # three clusters on three seeds
    text = markdown(table)
    for labels in leaders.clusters:
        assert ", ".join(labels) in text
    assert "count as one in estimating it." in markdown(with_groups())


def test_figures_that_are_best_when_low_have_the_lowest_in_front():
    table = with_groups()
    log_loss = next(measure for measure in measures.ALL if measure.name == "log_loss")
    assert "vanilla" not in table.best("random", table.columns[0], log_loss)


@pytest.mark.fault(50)
def test_method_with_a_hole_does_not_compete():
    table = with_groups(left_out={("mine", 1)})
    assert table.best("random", table.columns[0], BA) == {"cb"}


@pytest.mark.fault(45)
def test_caption_names_test_level_correction_n_and_the_power_guard():
    text = markdown(with_groups())
    for words in (
        "closed test by the studentised range and the lead of the best",
        "from the best in its column (family-wise alpha 0.05)",
        "Each column is tested by itself, on means over n = 3 paired seeds",
        "p \\>= 0.25 with 3 pairs, 6 are needed for 0.05",
    ):
        assert words in text, words


@pytest.mark.fault(45)
@pytest.mark.parametrize("settings", [{"seeds": (0,)}, {"strengths": {"cb": 1.0}}])
def test_nothing_is_bold_where_nothing_can_be_tested(settings):
    table = with_groups(**settings)
    assert table.leaders == {}
    assert bold_lines(table) == set()
    assert "such as --seeds 0,1,2. From 6 on a difference can be significant" in markdown(table)


def test_csv_says_who_is_in_the_group_and_nothing_where_none_was_tested():
    def said(table):
        lines = csv.DictReader(io.StringIO(table2_csv(table)))
        return {r["method"]: r["in_best_group"] for r in lines if r["metric"] == BA.name}

    assert said(with_groups()) == {"cb": "yes", "mine": "yes", "vanilla": "no"}
    assert said(with_groups(left_out={("mine", 1)})) == {"cb": "yes", "mine": "", "vanilla": "no"}
    assert set(said(with_groups(seeds=(0,))).values()) == {""}


def test_equal_predictions_give_equal_bytes():
    assert markdown(with_groups()) == markdown(with_groups())


@pytest.mark.parametrize(
    ("bold", "lines"), [("group", {"CB Loss", "Vanilla GCN"}), ("best", {"Vanilla GCN"})]
)
def test_report_reads_the_predictions_of_the_store(tmp_path, capsys, bold, lines):
    store = Store(tmp_path)
    jobs = make_grid(methods=("vanilla", "cb"))
    for job in jobs:
        store_run(store, job, COUNTS)
    store.write_plan(make_plan(jobs))
    assert rebuild_report(tmp_path, bold) == 0
    block = (tmp_path / "table2.md").read_text().split("## Random split")[1].split("##")[0]
    assert {line.split("|")[1].strip() for line in block.splitlines() if "**" in line} == lines
