"""Records that were changed by hand, each caught by the rule it breaks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.compliance.arithmetic import same
from bench.compliance.history import violations_of_history
from bench.compliance.identity import violations_of_identity
from bench.compliance.labels import LabelsOfSplits
from bench.compliance.predictions import violations_of_decisions, violations_of_predictions
from bench.compliance.records import violations_of_records
from bench.compliance.rules import problem_of
from bench.metrics import evaluate, evaluation
from tests.report.report_records import make_grid, make_job, make_record
from tests.sweep.test_plan import _jobs


def changed(path: str, value):
    """A good record with another value at `path`."""
    record = make_record(make_job())
    *parents, last = path.split(".")
    place = record
    for key in parents:
        place = place[key]
    place[last] = value
    return record


def rules_broken(record) -> set[str]:
    return {violation.rule for violation in violations_of_records([record])}


def history(*epochs):
    report = {"train_loss": 1.0, "valid_balanced_accuracy": 0.5, "seconds": 1.0}
    return [{"epoch": epoch, **report} for epoch in epochs]


@pytest.mark.fault(13)
@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("schema", 2, "schema"),
        ("status", "running", "complete"),
        ("job_id", "../../x", "job id"),
        ("job.seed", [0, 1], "one seed"),
        ("job.seed", None, "one seed"),
        ("job.method.version", "1", "parts of the job"),
        ("job.training.epochs", 0, "budget"),
        ("data.sha256", "", "data sha256"),
        ("data.content_sha256", "0" * 63, "content sha256"),
        ("data.split_hash", None, "split hash"),
        ("data.test_counts", [90, -30], "parts of the split"),
        ("metrics.auroc_ovr_macro", 1.2, "metrics in range"),
        ("metrics.balanced_accuracy", -0.1, "metrics in range"),
        ("metrics.ece", float("nan"), "finite"),
        ("metrics.more", "text", "metrics in range"),
        ("metrics.more", True, "metrics in range"),
        ("metrics.more", 10**400, "metrics in range"),
        ("metrics.more", {}, "metrics in range"),
        ("metrics.=cmd|'/C calc'!A0", 0.25, "metrics in range"),
        ("metrics.\x1b[2J", 0.25, "metrics in range"),
        ("metrics.more\n", 0.25, "metrics in range"),
        ("confusion", [[90, 0], [0, 30.5]], "confusion matrix"),
        ("confusion", [[90, 0], [0, 31]], "confusion matrix adds up"),
        ("metrics.balanced_f1", 0.99, "feasible pair"),
        ("metrics.accuracy", 0.5, "metrics follow"),
        ("data.valid_counts", [1, 2, 3], "counts fit"),
        ("data.samples", 10, "counts fit"),
        ("history", history(1, 2, 4), "epochs rise"),
        ("history", history(*range(1, 13)), "epochs rise"),
        ("history", [{"epoch": 1}], "history"),
        ("history", [{**history(1)[0], "valid_loss": -1.0}], "history"),
        ("history", [{**history(1)[0], "valid_loss": "low"}], "history"),
        ("selection.epoch", 11, "epochs rise"),
        ("time.finished", "2025-04-07T11:59:59+00:00", "ends after start"),
        ("time.finished", "yesterday", "time"),
        ("provenance", {}, "provenance"),
        ("provenance.code", {}, "provenance"),
        ("parameters", -1, "parameters"),
        ("job", None, "parts of the job"),
        ("job.requires", None, "parts of the job"),
        ("data.file", "", "data file"),
        ("data.fingerprint", None, "fingerprint"),
        ("time.started", "2026-99-99T00:00:00+00:00", "ends after start"),
        ("time.started", "2025-04-07T12:00:00", "time"),
        ("time.seconds", 1e300, "time"),
        ("metrics.samples", 7, "counts fit"),
        ("confusion", [[10**30, 0], [0, 30]], "confusion matrix"),
        ("per_class.auroc", [1.0, 1.0, 1.0], "counts fit"),
        ("per_class.auroc", [0.75, 0.76], "AUROC follows"),
        ("per_class.auroc", [None, None], "AUROC follows"),
        ("metrics.auroc_ovr_macro", None, "AUROC follows"),
        ("per_class.auroc", [1.0, 1.1], "per class"),
        ("per_class", {}, "per class"),
        ("files", None, "files"),
        ("files", [], "files"),
        ("files", {}, "files"),
        ("files.x", "0" * 64, "files"),
    ],
)
def test_a_record_changed_by_hand_is_caught_by_name(path, value, rule):
    """A record that was edited, or written by a broken sweep, stands in a table as a result."""
    assert rule in rules_broken(changed(path, value))


def test_classes_without_an_auroc_are_left_out_of_its_mean():
    for areas, mean in (([None, 0.6], 0.6), ([None, None], None)):
        record = changed("per_class.auroc", areas)
        record["metrics"]["auroc_ovr_macro"] = mean
        assert violations_of_records([record]) == []


def test_every_value_that_a_rule_names_must_be_there():
    record = make_record(make_job())
    assert violations_of_records([record]) == []
    for key in record:
        assert violations_of_records([{n: v for n, v in record.items() if n != key}]), key


def test_a_job_id_is_recomputed_from_what_was_asked_for():
    """A budget edited by hand stands in a table under the id of the run as it was planned."""
    for job in _jobs(methods=["vanilla", "dive"], splits=["random"]):
        record = make_record(make_job()) | {"job": job.to_json(), "job_id": job.job_id}
        record["data"]["content_sha256"] = job.content_sha256
        assert list(violations_of_identity(record)) == []
        record["job"]["method"]["label"] = "another name"
        assert list(violations_of_identity(record)) == []
        record["job"]["training"]["learning_rate"] = 0.5
        assert [violation.rule for violation in violations_of_identity(record)] == ["job id"]


@pytest.mark.fault(14)
def test_a_seed_that_stands_twice_is_caught():
    """The same run counted twice narrows the deviation and doubles n."""
    records = [make_record(job) for job in make_grid(seeds=(0, 1))]
    assert violations_of_records(records) == []
    again = copy.deepcopy(records[0]) | {"job_id": "f" * 20}
    assert [b.rule for b in violations_of_records([*records, again])] == ["no repeated seed"]


@pytest.mark.fault(51)
@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("sha256", "0" * 64, "one data file"),
        ("content_sha256", "0" * 64, "one content"),
        ("split_hash", "0" * 64, "one split"),
    ],
)
def test_runs_on_other_data_or_splits_are_caught(path, value, rule):
    """Figures on two revisions of a file, or on two splits, are compared as if they were one."""
    records = [make_record(job) for job in make_grid(methods=("vanilla", "cb"), seeds=(0,))]
    records[1]["data"][path] = value
    [violation] = violations_of_records(records)
    assert violation.rule == rule
    assert records[0]["job_id"] in violation.what
    assert records[1]["job_id"] in violation.what


def test_the_labels_of_most_runs_on_a_split_are_expected_and_without_most_all_are_named():
    def differing(*orders):
        labels, jobs = LabelsOfSplits(), make_grid(methods="abcde"[: len(orders)], seeds=(0,))
        for job, order in zip(jobs, orders, strict=True):
            # A number of another size is no other label.
            arrays = {"valid_labels": np.array([0, 1]), "test_labels": np.array(order, np.uint8)}
            labels.add(make_record(job), arrays)
        labels.add(make_record(make_job(seed=1)), arrays | {"test_labels": np.array([1, 1, 0])})
        found = labels.violations()
        assert all("expected the test labels of job" in v.what for v in found.values())
        return [job["job_id"] in found for job in jobs]

    assert differing([0, 1], [0, 1]) == [False, False]
    assert differing([0, 1], [1, 0], [0, 1]) == [False, True, False]
    assert differing([0, 1], [1, 0]) == [True, True]
    assert differing([0, 1], [1, 0], [0, 1], [1, 0], [1, 1]) == [True] * 5


@pytest.mark.parametrize(
    ("method", "changes", "looked_at"),
    [
        ("vanilla", {}, True),
        ("vanilla", {"version": 99}, False),
        ("tau_norm", {}, False),  # chooses a power after training
        ("ecfp_forest", {}, False),
        ("not_registered", {}, False),
    ],
)
def test_the_chosen_epoch_has_the_score_of_the_run_where_nothing_comes_after_it(
    method, changes, looked_at
):
    record = make_record(make_job(method=method))
    record["job"]["method"] |= changes
    chosen = record["history"][record["selection"]["epoch"] - 1]
    assert chosen["valid_balanced_accuracy"] != record["selection"]["valid_balanced_accuracy"]
    assert len(list(violations_of_history(record))) == looked_at
    record["provenance"]["device"] = "NVIDIA H100"
    assert list(violations_of_history(record)) == []
    record["provenance"]["device"] = "cpu"
    chosen["valid_balanced_accuracy"] = record["selection"]["valid_balanced_accuracy"]
    assert list(violations_of_history(record)) == []


def test_methods_with_more_epochs_than_others_are_caught():
    records = [make_record(job) for job in make_grid(methods=("vanilla", "cb"), seeds=(0,))]
    records[1]["job"]["training"]["epochs"] = 20
    assert [b.rule for b in violations_of_records(records)] == ["one budget"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
    ),
    st.sampled_from(
        [
            "schema",
            "job",
            "job.seed",
            "data",
            "data.test_counts",
            "metrics",
            "confusion",
            "history",
            "selection",
            "time",
            "time.started",
            "provenance",
            "per_class",
            "files",
        ]
    ),
)
def test_whatever_stands_in_a_record_is_a_violation_and_never_a_traceback(value, path):
    record = changed(path, value)
    violations_of_records([record])


def stored(seed: int = 0):
    """A record and the predictions it was made from."""
    rng = np.random.default_rng(seed)
    record = make_record(make_job())
    arrays = {"valid_positions": np.arange(120), "test_positions": np.arange(120, 240)}
    for part in ("valid", "test"):
        counts = record["data"][f"{part}_counts"]
        arrays[f"{part}_labels"] = np.repeat(np.arange(2), counts)
        arrays[f"{part}_logits"] = rng.standard_normal((sum(counts), 2)).astype(np.float32)
    figures = evaluate(
        arrays["test_labels"], arrays["test_logits"], np.array(record["data"]["train_counts"])
    )
    record["confusion"] = [list(row) for row in figures.confusion]
    record["metrics"] = {
        name: getattr(figures, name)
        for name in ("balanced_accuracy", "balanced_f1", "accuracy", "macro_f1", "ece", "brier")
    }
    record["metrics"] |= {"auroc_ovr_macro": figures.auroc, "log_loss": figures.log_loss}
    record["metrics"] |= {"recall_head": figures.groups["head"].recall, "recall_middle": None}
    record["metrics"]["recall_tail"] = figures.groups["tail"].recall
    record["per_class"] = figures.to_record()["per_class"]
    valid = evaluate(
        arrays["valid_labels"], arrays["valid_logits"], np.array(record["data"]["train_counts"])
    )
    record["selection"]["valid_balanced_accuracy"] = valid.balanced_accuracy
    return record, arrays


def found(record, arrays) -> set[str]:
    return {violation.rule for violation in violations_of_predictions(record, arrays)}


def test_figures_that_follow_from_the_predictions_are_accepted():
    record, arrays = stored()
    assert violations_of_records([record]) == []
    assert found(record, arrays) == set()


@pytest.mark.parametrize("metric", ["balanced_accuracy", "auroc_ovr_macro", "ece", "recall_tail"])
def test_a_figure_that_the_predictions_do_not_say_is_caught(metric):
    record, arrays = stored()
    record["metrics"][metric] += 1e-6
    assert found(record, arrays) == {"metrics recomputed"}


def test_a_swapped_logit_is_caught():
    record, arrays = stored()
    arrays["test_logits"][3] = arrays["test_logits"][3, ::-1]
    assert found(record, arrays) == {"metrics recomputed"}


def test_validation_figures_are_recomputed_too():
    record, arrays = stored()
    arrays["valid_logits"] = -arrays["valid_logits"]
    assert found(record, arrays) == {"selection recomputed"}


def test_a_sample_in_two_parts_is_caught():
    record, arrays = stored()
    arrays["test_positions"][0] = 0
    assert found(record, arrays) == {"sets apart"}


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("test_logits"),
        lambda arrays: arrays.update(test_logits=arrays["test_logits"][:, :1]),
        lambda arrays: arrays.update(test_labels=1 - arrays["test_labels"]),
        lambda arrays: arrays["test_logits"].__setitem__((0, 0), np.nan),
    ],
)
def test_predictions_that_do_not_fit_are_named(change):
    record, arrays = stored()
    change(arrays)
    assert found(record, arrays)


def decided(arrays):
    decisions = {f"{part}_labels": arrays[f"{part}_labels"] for part in ("valid", "test")}
    return decisions | {
        f"{part}_predictions": arrays[f"{part}_logits"].argmax(axis=1) for part in ("valid", "test")
    }


def found_in_decisions(record, decisions) -> set[str]:
    return {violation.rule for violation in violations_of_decisions(record, decisions)}


def test_decisions_say_all_figures_that_follow_from_classes_and_no_others():
    record, arrays = stored()
    record["metrics"].update(auroc_ovr_macro=0.999, ece=0.999, log_loss=9, brier=1)
    assert found_in_decisions(record, decided(arrays)) == set()
    for metric in ("balanced_accuracy", "balanced_f1", "accuracy", "macro_f1", "recall_head",
                   "recall_tail"):  # fmt: skip
        wrong = copy.deepcopy(record)
        wrong["metrics"][metric] += 1e-6
        assert found_in_decisions(wrong, decided(arrays)) == {"metrics recomputed"}
    record["confusion"][0][0] += 1
    assert found_in_decisions(record, decided(arrays)) == {"metrics recomputed"}


def test_nothing_is_ranked_where_there_are_no_scores(monkeypatch):
    """Three quarters of the time of a report of archived runs were AUROCs that nobody read."""
    record, arrays = stored()
    monkeypatch.setattr(evaluation, "one_vs_rest", lambda *_: pytest.fail("scores are made up"))
    assert found_in_decisions(record, decided(arrays)) == set()


def test_undefined_and_infinite_figures_are_compared():
    nan, inf = float("nan"), float("inf")
    assert same(None, nan)
    assert same(inf, inf)
    assert same(0.5, 0.5 + 1e-10)
    assert not same(None, 0.5)
    assert not same(inf, 0.5)
    assert not same(0.5, 0.5 + 1e-8)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("test_predictions", 0, "metrics recomputed"),
        ("valid_predictions", 0, "selection recomputed"),
        ("test_predictions", 2, "predictions"),
        ("valid_labels", 2**31, "predictions"),
        ("test_labels", 0, "predictions"),
        ("test_labels", -1, "predictions"),
        ("test_predictions", -1, "predictions"),
    ],
)
def test_other_decisions_are_caught(name, value, rule):
    record, arrays = stored()
    decisions = decided(arrays)
    decisions[name] = np.full_like(decisions[name], value)
    assert found_in_decisions(record, decisions) == {rule}


def test_decisions_of_unequal_number_are_named():
    record, arrays = stored()
    decisions = decided(arrays)
    decisions["test_predictions"] = decisions["test_predictions"][1:]
    assert found_in_decisions(record, decisions) == {"predictions"}


@pytest.mark.parametrize("value", [[[]] * 3, {"settings": 1, "jobs": [[], 2]}])
def test_what_is_wrong_is_said_without_laying_out_the_whole_value(value, monkeypatch):
    """Millions of empty lists in the place of a plan take minutes and gigabytes to lay out."""

    def fail(_):
        raise AssertionError

    monkeypatch.setattr("jsonschema.exceptions._Error.__str__", fail)
    assert problem_of("plan", value).startswith("plan")
