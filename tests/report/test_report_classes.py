"""Means over fewer classes than the data has say so wherever they are printed."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from rich.console import Console

from bench.metrics import balanced_f1s, f1s, frequency_groups, recalls
from bench.report.model.table2 import table2
from bench.report.tables.table2 import table2_report
from bench.report.writers.csv_files import table2_csv
from bench.report.writers.latex import report_latex
from bench.report.writers.markdown import markdown, report_markdown
from bench.report.writers.terminal import render_terminal
from tests.report.report_records import lines_of, make_grid, make_plan, make_record, source_of

WHOLE = [[18, 1, 1, 0, 0], [2, 14, 0, 0, 0], [1, 0, 9, 0, 0], [0, 0, 0, 4, 1], [0, 0, 0, 1, 2]]


def untested(record, classes):
    """`record` as of a test set without samples of `classes`, whose figures are means of others."""
    confusion = np.array(record["confusion"])
    confusion[list(classes)] = 0
    counts = confusion.sum(axis=1)
    record["confusion"] = confusion.tolist()
    record["data"]["test_counts"] = counts.tolist()
    recall = recalls(confusion)
    groups = frequency_groups(np.array(record["data"]["train_counts"]))
    record["metrics"] |= {
        "balanced_accuracy": float(np.nanmean(recall)),
        "balanced_f1": float(np.nanmean(balanced_f1s(confusion))),
        "macro_f1": float(np.nanmean(f1s(confusion))),
        "accuracy": float(np.trace(confusion) / confusion.sum()),
        "classes_used": int(np.count_nonzero(counts)),
    }
    for name, members in groups.items():
        own = [recall[k] for k in members if counts[k]]
        record["metrics"][f"recall_{name}"] = float(np.mean(own)) if own else None
    return record


def sweep(missing=(3, 4), seeds=(0,)):
    jobs = make_grid(["mine"], methods=["vanilla"], seeds=seeds)
    return make_plan(jobs), [untested(make_record(job, WHOLE), missing) for job in jobs], {}


def terminal(table):
    console = Console(width=200, file=io.StringIO(), color_system=None)
    console.print(render_terminal(table))
    return console.file.getvalue()


WRITERS = {
    "terminal": terminal,
    "markdown": markdown,
    "paper's markdown": lambda table: report_markdown(table2_report(table)),
    "latex": lambda table: report_latex(table2_report(table)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_says_how_many_classes_are_in_a_mean(writer):
    text = WRITERS[writer](table2(*sweep()))
    assert "(3 of 5 classes)" in text
    assert "recalls of all classes" not in text
    whole = WRITERS[writer](table2(*sweep(missing=())))
    assert "of 5 classes" not in whole


def test_page_and_csv_do_too():
    [line] = lines_of(source_of(*sweep()))
    assert all(figure.ours.endswith("(3 of 5 classes)") for figure in line.figures)
    rows = list(csv.DictReader(io.StringIO(table2_csv(table2(*sweep())))))
    used = {row["metric"]: (row["classes_used"], row["classes"]) for row in rows}
    assert used["balanced_accuracy"] == used["balanced_f1"] == ("3", "5")
    assert used["accuracy"] == used["recall_tail"] == ("", "")
    assert used["recall_head"] == ("2", "2")


def test_seeds_with_other_classes_are_both_named():
    plan, records, failures = sweep(seeds=(0, 1))
    records[1] = untested(make_record(plan["jobs"][1], WHOLE), (4,))
    assert "(3 to 4 of 5 classes)" in markdown(table2(plan, records, failures))
