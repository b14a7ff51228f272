from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.report.model.best_sets import best_sets
from bench.report.model.table2 import table2
from bench.report.model.verdict import verdicts
from bench.report.writers.write import write_report
from tests.report.report_records import make_grid, make_job, make_plan, make_record, predictions_of

GOLDEN = Path(__file__).parents[1] / "golden" / "report"
FILES = ["table2.md", "table2.csv", "runs.csv"]


def sweep():
    """Two data sets, two splits, three seeds, all groups of methods; one run failed, two missing.

    SDR was planned with another batch size, the method of group ``extension`` on one split only
    and none of its runs finished.
    """
    jobs = make_grid(["hiv", "chembl_ki"], ["random", "standard"], ["vanilla", "cb", "sdr"])
    jobs += make_grid(["hiv", "chembl_ki"], ["random", "standard"], ["cb[beta=0.99]"])
    jobs += make_grid(["uspto_50k[inputs=joined]"], ["standard"], ["vanilla", "sdr"], seeds=[0])
    for job in make_grid(["hiv"], ["random"], ["balanced_sampling"]):
        jobs.append({**job, "group": "control", "title": "CE, balanced | bootstrap"})
    jobs.append(make_job(method="mine", group="extension", title="=MINE(*)"))
    titles = {"vanilla": "Vanilla GCN", "cb": "CB Loss", "sdr": "SDR"}
    titles["cb[beta=0.99]"] = "CB Loss [beta=0.99]"
    jobs = [{**job, "title": titles.get(job["method_label"], job["title"])} for job in jobs]

    failed = make_job("hiv", "random", "cb", 1)["job_id"]
    missing = {
        make_job("hiv", "standard", "sdr", 2)["job_id"],
        make_job(method="mine")["job_id"],
    }
    records = [
        make_record(job, batch_size=512 if job["method"] == "sdr" else 128)
        for job in jobs
        if job["job_id"] not in {failed, *missing}
    ]
    failures = {failed: {"reason": "non-finite loss at\nepoch 3, step 7", "error": "RunError: .."}}
    return make_plan(jobs), records, failures


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    plan, records, failures = sweep()
    table = table2(plan, records, failures)
    # Bold is the highest mean alone here; what is said of the table rests on the statistics.
    tested = replace(table, leaders=best_sets(table, predictions_of(records)))
    judged = verdicts(tested, predictions_of(records))
    write_report(folder, replace(table, verdicts=tuple(judged)))
    return folder


@pytest.mark.parametrize("name", FILES)
def test_report_equals_the_golden_file_byte_for_byte(report, name):
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / name).write_bytes((report / name).read_bytes())
    assert (report / name).read_bytes() == (GOLDEN / name).read_bytes()


def test_only_the_three_files_are_left_in_the_folder(report):
    assert sorted(path.name for path in report.iterdir()) == sorted(FILES)
