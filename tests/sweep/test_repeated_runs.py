"""Which runs are drawn to be trained again, and when two count as equal."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.sweep.repeat import BIT_FOR_BIT, WITHIN, compare, draw, label_of

DEPENDS = {"stack": ["forest", "soft"], "late": ["plain"]}


def _records():
    """Five methods, two of which depend on others, on two data sets, two splits, three seeds."""
    records = {}
    for dataset in "xy":
        for split in ("random", "standard"):
            for seed in range(3):
                for method in ("plain", "forest", "soft", "stack", "late"):
                    needs = DEPENDS.get(method, [])
                    records[f"{method}-{dataset}-{split}-{seed}"] = {
                        "job": {
                            "method": {"name": method, "options": {}},
                            "dataset": {"label": dataset, "name": dataset},
                            "split": {"label": split, "name": split},
                            "backbones": {},
                            "requires": {n: f"{n}-{dataset}-{split}-{seed}" for n in needs},
                        }
                    }
    return records


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_every_method_is_drawn_with_what_it_depends_on(seed, number):
    records = _records()
    drawn = draw(records, number, seed)
    counts = Counter(records[job_id]["job"]["method"]["name"] for job_id in drawn)
    assert all(counts[method] >= number for method in ("plain", "forest", "soft", "stack", "late"))
    assert all(set(records[i]["job"]["requires"].values()) <= drawn for i in drawn)
    assert draw(records, number, seed) == drawn


@given(st.integers(0, 2**32))
def test_a_few_runs_of_each_method_cover_data_sets_and_splits(seed):
    drawn = draw(_records(), 1, seed)
    assert {job_id.split("-", 1)[1][0] for job_id in drawn} == {"x", "y"}
    assert {job_id.split("-")[2] for job_id in drawn} == {"random", "standard"}


def test_another_seed_draws_other_runs_and_more_than_there_are_draws_all():
    records = _records()
    assert len({frozenset(draw(records, 1, seed)) for seed in range(20)}) > 10
    assert draw(records, 99, 0) == records.keys()


def test_a_method_with_other_options_is_drawn_apart():
    """An option may be another way through the code, which nobody has confirmed."""
    records = _records()
    for job_id, record in records.items():
        if job_id.endswith("2"):
            record["job"]["method"]["options"] = {"power": 2}
    drawn = draw(records, 1, 0)
    assert {label_of(records[job_id]) for job_id in drawn} == {
        f"{method} {options}"
        for method in ("plain", "forest", "soft", "stack", "late")
        for options in ("{}", '{"power": 2}')
    }


def test_what_was_trained_again_before_is_drawn_first():
    records = _records()
    before = draw(records, 1, 0)
    assert draw(records, 1, 99, before) == before
    assert before <= draw(records, 3, 99, before)


LABELS = np.repeat([0, 1], [8, 2])


def _run(wrong=(), loss=0.5, cpu="A", torch="2", **record):
    predictions = LABELS.copy()
    predictions[list(wrong)] ^= 1
    record = {
        "metrics": {"balanced_accuracy": 1.0},
        "selection": {"epoch": 1},
        "history": [{"epoch": 1, "train_loss": loss, "valid_balanced_accuracy": 1.0}],
        "provenance": {"device": "cpu", "cpu": cpu, "packages": {"torch": torch}},
        **record,
    }
    return record, {"test_labels": LABELS, "test_predictions": predictions}


def _compare(one, other):
    (stored, before), (again, after) = one, other
    return compare(stored, again, before, after)


def test_equal_runs_are_equal_bit_for_bit_whatever_the_machine():
    assert _compare(_run(), _run()).verdict == BIT_FOR_BIT
    assert _compare(_run(), _run(cpu="B")).verdict == BIT_FOR_BIT


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (_run(wrong=[0]), "test predictions (1 of 10 values)"),
        (_run(loss=0.5 + 2**-52), "training from epoch 1 on"),
        (_run(metrics={"balanced_accuracy": 1 - 2**-53}), "metrics"),
        (_run(selection={"epoch": 2}), "selection"),
        (_run(history=[]), "number of epochs"),
    ],
)
def test_on_the_same_machine_the_last_bit_counts(other, named):
    found = _compare(_run(), other)
    assert found.differences == (named,)
    assert found.verdict is None


def test_a_figure_that_is_younger_than_the_stored_run_is_not_compared():
    younger = {"balanced_accuracy": 1.0, "mcc": 0.5}
    assert _compare(_run(), _run(metrics=younger)).verdict == BIT_FOR_BIT
    assert _compare(_run(metrics=younger), _run()).differences == ("metrics",)


def test_a_record_that_names_no_processor_is_held_to_the_last_bit():
    stored = _run(cpu=None)
    assert _compare(stored, _run(loss=0.6)).verdict is None
    confirmed = ({**stored[0], "confirmed": {"cpu": "B"}}, stored[1])
    assert _compare(confirmed, _run(loss=0.6)).verdict == WITHIN


def test_a_processor_of_the_same_name_with_other_instructions_is_another():
    """A virtual machine may call all processors of a maker alike."""
    stored, again = _run(), _run(loss=0.6)
    for run, instructions in ((stored, "avx2 fma"), (again, "avx2 avx512f fma")):
        run[0]["provenance"]["instructions"] = instructions
    assert _compare(stored, again).verdict == WITHIN
    stored[0]["provenance"]["instructions"] = "avx2 avx512f fma"
    assert _compare(stored, again).verdict is None
    del stored[0]["provenance"]["instructions"]
    assert _compare(stored, again).verdict is None


def test_elsewhere_balanced_accuracy_must_agree_within_three_standard_errors():
    """Two of eight and one of two: error sqrt(2 / 64 + 1 / 4) / 2, difference as below."""
    found = _compare(_run(), _run(wrong=[0, 1, 8], cpu="B"))
    assert found.standard_error == pytest.approx((2 / 64 + 1 / 4) ** 0.5 / 2)
    assert found.difference == pytest.approx(-(2 / 8 + 1 / 2) / 2)
    assert found.verdict == WITHIN
    # All of one class wrong: 0.5 against sqrt(8) / 8 / 2.
    assert _compare(_run(), _run(wrong=range(8), torch="3")).verdict == WITHIN
    many = np.repeat([0, 1], [800, 2])
    before = {"test_labels": many, "test_predictions": many}
    after = {"test_labels": many, "test_predictions": np.where(many == 0, 1, many)}
    assert compare(_run()[0], _run(cpu="B", loss=1.0)[0], before, after).verdict is None
