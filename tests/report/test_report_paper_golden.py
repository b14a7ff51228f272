"""All reports of a sweep with a failed run, a missing one and a stand-in, byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.report.model.table2 import table2
from bench.report.tables.agreement import agreement
from bench.report.tables.comparison import comparison
from bench.report.tables.contradictions import contradictions
from bench.report.tables.explanation import explanation
from bench.report.tables.figure1 import figure1
from bench.report.tables.table1 import table1
from bench.report.tables.table2 import table2_report
from bench.report.tables.table3 import ablation
from bench.report.writers.csv_files import report_csv
from bench.report.writers.latex import document, report_latex
from bench.report.writers.markdown import report_markdown
from tests.report.report_records import make_grid, make_job, make_plan, make_record, predictions_of

GOLDEN = Path(__file__).parents[1] / "golden" / "paper"
SHEETS = [
    "table1", "table2", "table3", "table4", "figure1", "comparison", "agreement", "explanation",
    "contradictions",
]  # fmt: skip


def sweep():
    jobs = make_grid(["hiv", "chembl_ki"], ["random", "standard"], ["vanilla", "cb", "sdr"])
    jobs += make_grid(["hiv"], ["random"], ["balanced_softmax"], seeds=[0])
    jobs += make_grid(["uspto_50k[inputs=joined]"], ["standard"], ["vanilla", "sdr"], seeds=[0])
    jobs += [make_job(method="mine", group="extension", title="=MINE|50%_{#$&~^\\}")]
    failed = make_job("hiv", "random", "cb", 1)["job_id"]
    missing = {make_job("hiv", "standard", "sdr", 2)["job_id"], jobs[-1]["job_id"]}
    records = [make_record(job) for job in jobs if job["job_id"] not in {failed, *missing}]
    return make_plan(jobs), records, {failed: {"reason": "loss is nan_at step 7", "error": ""}}


def ablation_sweep(name):
    methods = {
        "table3": ["sdr[warm_up=0]", "sdr[dynamic=false]", "sdr"],
        "table4": ["sdr[reweighting=none]", "sdr[reweighting=class]", "sdr"],  # one not planned
    }[name]
    jobs = make_grid(["uspto_50k[inputs=joined]"], ["standard"], methods)
    return make_plan(jobs), [make_record(job) for job in jobs], {}


@pytest.fixture(scope="module")
def reports():
    plan, records, failures = sweep()
    table = table2(plan, records, failures)
    ablations = {name: ablation_sweep(name) for name in ("table3", "table4")}
    made = [
        table1(table, records),
        table2_report(table),
        *(
            ablation(name, table2(*sweep), predictions_of(sweep[1]))
            for name, sweep in ablations.items()
        ),
        figure1(table, records),
        comparison(table, records),
        agreement(table),
        explanation(table, predictions_of(records)),
        contradictions(),
    ]
    return {report.name: report for report in made}


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    ("name", "ending"),
    # Table 2 has fuller forms of its own, with golden files of their own.
    [(n, e) for n in SHEETS for e in ("csv", "md", "tex") if n != "table2" or e == "tex"],
)
def test_every_sheet_equals_its_golden_file_byte_for_byte(reports, name, ending):
    write = {"csv": report_csv, "md": report_markdown, "tex": report_latex}[ending]
    path = GOLDEN / f"{name}.{ending}"
    made = write(reports[name]).encode()
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made)
    assert made == path.read_bytes()


def test_the_golden_latex_compiles(reports, compiled):
    names = list(reports)
    texts = {f"{name}.tex": report_latex(reports[name]) for name in names}
    log = compiled({"paper.tex": document(names), **texts})
    assert "Output written" in log
