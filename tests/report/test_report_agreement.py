from __future__ import annotations

import pytest

from bench.report.model.published import published
from bench.report.model.table2 import table2
from bench.report.tables.agreement import agreement
from tests.report.report_records import binary, make_grid, make_job, make_plan, make_record


def agreed(scores, missing=()):
    """`scores` maps methods to our balanced accuracy on hiv, random split."""
    jobs = [make_job(method=method) for method in scores]
    records = [
        make_record(job, binary(scores[job["method"]]))
        for job in jobs
        if job["method"] not in missing
    ]
    report = agreement(table2(make_plan(jobs), records, {}))
    return dict(zip(report.csv_header, report.csv_lines[0], strict=True))


def printed(order=1.0):
    """The paper's scores, or with -1 their reverse."""
    return {
        method: 0.5 + order * (published().figures["random", method, "hiv", "balanced_accuracy"]
                               / 100 - 0.5)
        for method in published().methods
    }  # fmt: skip


def test_the_papers_own_order_has_tau_one_and_its_reverse_minus_one():
    found = agreed(printed())
    assert (found["n"], found["tau"]) == (10, pytest.approx(1.0))
    # Two of 10! orders are as extreme.
    assert found["p"] == pytest.approx(2 / 3628800)
    assert agreed(printed(-1.0))["tau"] == pytest.approx(-1.0)


def test_one_swapped_pair_of_three_by_hand():
    # The paper: vanilla 71.89 < cb 73.12 < balanced_softmax 77.15; (3 - 1 - 1) / 3.
    found = agreed({"vanilla": 0.6, "cb": 0.8, "balanced_softmax": 0.7})
    assert found["tau"] == pytest.approx(1 / 3)


@pytest.mark.fault(50)
def test_a_method_with_a_hole_is_left_out_and_named():
    found = agreed(printed(), missing=("cb",))
    assert (found["n"], found["left_out"]) == (9, "cb")


@pytest.mark.fault(50)
def test_a_mean_over_a_part_of_the_seeds_is_left_out():
    jobs = [make_job(method=m, seed=s) for m in ("vanilla", "cb", "ib") for s in (0, 1)]
    records = [make_record(job) for job in jobs if (job["method"], job["seed"]) != ("ib", 1)]
    report = agreement(table2(make_plan(jobs), records, {}))
    found = dict(zip(report.csv_header, report.csv_lines[0], strict=True))
    assert (found["n"], found["left_out"]) == (2, "ib")


@pytest.mark.parametrize("scores", [{"cb": 0.7}, {"cb": 0.7, "vanilla": 0.7}])
def test_what_cannot_be_ordered_has_no_tau(scores):
    found = agreed(scores)
    assert (found["tau"], found["p"]) == (None, None)


def test_an_order_of_single_runs_says_so_beside_tau():
    for seeds, noted in (((0,), True), ((0, 1), False)):
        jobs = make_grid(methods=("vanilla", "cb"), seeds=seeds)
        report = agreement(table2(make_plan(jobs), [make_record(job) for job in jobs], {}))
        assert ("one trained run" in report.sections[0].lines[0][4].text) == noted
