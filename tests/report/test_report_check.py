from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import StoreError
from bench.method import METHODS
from bench.report.model.check import violations_of_job
from bench.report.model.registered import (
    violations_of_label,
    violations_of_names,
    with_registered_names,
)
from bench.report.model.table2 import table2
from tests.report.report_records import make_grid, make_job, make_plan, make_record


def two_records():
    jobs = make_grid(methods=("vanilla", "cb"), seeds=(0,))
    return make_plan(jobs), [make_record(job) for job in jobs]


def assert_refused(plan, records, words, failures=None):
    with pytest.raises(StoreError, match=words):
        table2(plan, records, failures or {})


def test_records_as_the_sweep_writes_them_are_accepted():
    plan, records = two_records()
    assert len(table2(plan, records, {}).runs) == 2


@pytest.mark.parametrize("schema", [None, 0, 2, "1"])
def test_other_schemas_are_refused(schema):
    plan, records = two_records()
    assert_refused({**plan, "schema": schema}, records, "schema 1 in the plan")
    stale = {**records[1], "schema": schema}
    assert_refused(
        plan, [records[0], stale], rf"\[schema\] job {stale['job_id']} .* 1 was expected"
    )


def test_seed_that_stands_twice_is_refused_with_both_jobs():
    plan, records = two_records()
    again = copy.deepcopy(records[0])
    again["job_id"] = "f" * 20
    words = rf"\[no repeated seed\] hiv / random / vanilla / 0: .* {records[0]['job_id']} and ff"
    assert_refused(plan, [*records, again], words)


def test_same_record_twice_is_refused():
    plan, records = two_records()
    assert_refused(plan, [*records, records[0]], "no repeated seed")


def test_planned_run_that_stands_twice_is_refused():
    job = make_job()
    assert_refused(make_plan([job, {**job, "job_id": "another"}]), [], "twice in the plan")
    assert_refused(make_plan([job, make_job(seed=1, job_id=job["job_id"])]), [], "twice")


def test_mixed_data_files_of_one_data_set_are_refused_even_across_splits():
    jobs = make_grid(splits=("random", "standard"), seeds=(0,))
    records = [make_record(job) for job in jobs]
    records[1]["data"]["sha256"] = "f00d" * 16
    assert_refused(make_plan(jobs), records, r"\[one data file\] hiv: .* (f00d){16}, jobs")


def test_data_sets_may_have_different_files():
    jobs = make_grid(datasets=("hiv", "chembl_ki"), seeds=(0,))
    assert table2(make_plan(jobs), [make_record(job) for job in jobs], {})


def test_methods_that_saw_different_splits_are_refused():
    plan, records = two_records()
    records[1]["data"]["split_hash"] = "f00d" * 16
    assert_refused(plan, records, r"\[one split\] hiv / random / 0: .* (f00d){16}, jobs")


def test_confusion_matrix_that_does_not_add_up_to_the_test_counts_is_refused():
    plan, records = two_records()
    records[0]["confusion"][0][1] += 1
    assert_refused(plan, records, r"add up to the test counts \[90, 30\]")


def test_confusion_matrix_of_the_wrong_shape_is_refused():
    plan, records = two_records()
    records[0]["confusion"] = [[90], [30]]
    assert_refused(plan, records, r"\[confusion matrix\] .* confusion.1: \[30\] is too short")
    records[0]["confusion"] = [[45, 45, 0], [10, 10, 10]]
    assert_refused(plan, records, "add up to the test counts")


@pytest.mark.parametrize("metric", ["balanced_accuracy", "balanced_f1"])
@pytest.mark.parametrize("change", [-1e-6, None])
def test_figure_that_does_not_follow_from_the_confusion_matrix_is_refused(metric, change):
    plan, records = two_records()
    metrics = records[0]["metrics"]
    metrics[metric] = None if change is None else metrics[metric] + change
    assert_refused(plan, records, f"expected {metric} = 0.* confusion matrix says")


def test_binary_balanced_f1_above_balanced_accuracy_is_refused():
    # SBAP random DIVE as printed in the paper, which no confusion matrix has.
    plan, records = two_records()
    records[0]["metrics"] |= {"balanced_accuracy": 0.8849, "balanced_f1": 0.8852}
    assert_refused(plan, records, r"at most balanced accuracy .* 0\.8852 > 0\.8849")


@pytest.mark.parametrize(
    ("confusion", "accuracy", "f1"),
    [
        ([[6, 2], [1, 1]], 0.625, 0.619048),
        ([[90, 10], [2, 3]], 0.75, 0.744246),
        ([[2, 1, 0], [0, 1, 0], [1, 2, 3]], 0.722222, 0.714646),
    ],
)
def test_worked_figures_are_accepted(confusion, accuracy, f1):
    job = make_job()
    record = make_record(job, confusion)
    assert record["metrics"]["balanced_accuracy"] == pytest.approx(accuracy, abs=5e-7)
    assert record["metrics"]["balanced_f1"] == pytest.approx(f1, abs=5e-7)
    assert table2(make_plan([job]), [record], {})


@given(
    st.integers(2, 5).flatmap(
        lambda k: st.lists(
            st.lists(st.integers(0, 500), min_size=k, max_size=k).filter(any),
            min_size=k,
            max_size=k,
        )
    )
)
def test_no_honest_record_is_refused(confusion):
    job = make_job()
    assert table2(make_plan([job]), [make_record(job, confusion)], {})


def test_figures_over_the_classes_present_are_accepted_when_a_class_is_absent():
    job = make_job()
    record = make_record(job)
    record["data"]["test_counts"] = [4, 0]
    record["confusion"] = [[3, 1], [0, 0]]
    record["metrics"] |= {"balanced_accuracy": 0.75, "balanced_f1": 1.5 / 1.75}
    record["metrics"] |= {"accuracy": 0.75, "macro_f1": 6 / 7}
    assert table2(make_plan([job]), [record], {})


def test_unplanned_record_is_refused():
    plan, records = two_records()
    stray = make_record(make_job(seed=7))
    assert_refused(plan, [*records, stray], rf"{stray['job_id']} .* planned jobs only")


def test_unplanned_failure_is_refused():
    plan, records = two_records()
    words = r"\[as planned\] job stray: expected results of planned jobs only"
    assert_refused(plan, records, words, {"stray": {"reason": "", "error": ""}})


def test_record_that_is_not_what_its_job_asked_for_is_refused():
    plan, records = two_records()
    records[0]["job"]["seed"] = 5
    assert_refused(plan, records, r"vanilla / 5\): expected job \w+ \(hiv / random / vanilla / 0\)")


@pytest.mark.parametrize(
    ("kind", "value"),
    [("dataset", "chembl_ki"), ("split", "standard"), ("method", "cb"), ("seed", 1)],
)
def test_record_of_another_run_than_its_job_is_named_with_both(kind, value):
    job = make_job()
    record = make_record(make_job(**{kind: value}))
    assert violations_of_job(make_plan([job]), job, make_record(job)) == []
    [violation] = violations_of_job(make_plan([job]), job, record)
    assert violation.rule == "as planned"
    assert violation.what == f"expected {kind} {job[kind]}, but got {value}."


def test_record_with_more_epochs_than_planned_is_named():
    job = make_job()
    record = make_record(job)
    record["job"]["training"]["epochs"] = 400
    [violation] = violations_of_job(make_plan([job]), job, record)
    assert violation.what == "expected epochs 10, but got 400."


def test_label_that_an_earlier_plan_gave_is_no_violation():
    job, record = make_job(method="cb"), make_record(make_job(method="cb[beta=0.9]"))
    assert violations_of_job(make_plan([job]), job, record) == []


def test_unfinished_record_is_refused():
    plan, records = two_records()
    records[0]["status"] = "running"
    assert_refused(plan, records, r"\[complete\] .* 'complete' was expected")


@pytest.mark.parametrize("key", ["confusion", "metrics", "selection", "time", "provenance"])
def test_record_without_a_key_is_refused_with_its_name(key):
    plan, records = two_records()
    del records[0][key]
    assert_refused(plan, records, f"expected a value at {key}, but got none")


def test_two_titles_of_one_method_are_refused():
    jobs = [make_job(title="One"), make_job(seed=1, title="Two")]
    assert_refused(make_plan(jobs), [], "one name, title and group")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_figure_that_is_not_a_number_is_refused(value):
    plan, records = two_records()
    records[0]["metrics"]["auroc_ovr_macro"] = value
    assert_refused(plan, records, r"\[finite\] .* null for an undefined figure")


@pytest.mark.parametrize(
    ("label", "options", "fits"),
    [
        ("cb", {"beta": 0.5}, True),
        ("cb[beta=0.5]", {"beta": 0.5}, True),
        ("cb[beta=0.99]", {"beta": 0.5}, False),
        ("cb_focal[beta=0.5]", {"beta": 0.5}, False),
        ("cb[gamma=1]", {"beta": 0.5}, False),
        ("calibrated_stack[networks=]", {"networks": ""}, True),
        ("gone[depth=1]", {"depth": 1.0}, True),
        ("gone[depth=2]", {"depth": 1.0}, False),
    ],
)
def test_a_label_says_what_options_its_run_had(label, options, fits):
    job = make_job(method=label)
    record = make_record(job)
    name = "cb" if label.startswith("cb") else record["job"]["method"]["name"]
    record["job"]["method"] |= {"name": name, "options": options}
    assert (not violations_of_label(job, record)) == fits


def test_rows_are_called_as_they_were_asked_for_before_trials_chose_their_options():
    jobs = make_grid(methods=("cb[beta=0.9]", "focal[gamma=1.0]"), seeds=(0,))
    for job, title in zip(jobs, ("CB Loss [beta=0.9]", "Focal Loss [gamma=1.0]"), strict=True):
        job["title"] = title
        job["group"] = METHODS.get(job["method"]).facts["group"]
    plan = make_plan(jobs)
    plan["settings"] |= {
        "backbones": {"molecule": "gcn"},
        "trials": {"chosen": {"cb": "cb[beta=0.9]", "focal[gamma=1.0]": "focal[gamma=1.0]"}},
    }
    named = with_registered_names(plan)["jobs"]
    assert [job["title"] for job in named] == ["CB Loss", "Focal Loss [gamma=1.0]"]
    assert violations_of_names(plan) == []  # the plan itself has labels and titles of its runs
