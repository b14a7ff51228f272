from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics.confusion import balanced_f1s, mean_present
from bench.report.tables.contradictions import contradictions, examine, extremes

IMPOSSIBLE = {
    ("random", "hiv", "ib"), ("random", "hiv", "mixup"), ("random", "sbap", "cb"),
    ("random", "sbap", "mixup"), ("random", "sbap", "dive"), ("random", "sbap", "decoupling"),
    ("standard", "hiv", "cdt"), ("standard", "sbap", "cb"), ("standard", "sbap", "mixup"),
    ("standard", "sbap", "dive"), ("standard", "sbap", "cdt"), ("standard", "sbap", "decoupling"),
}  # fmt: skip


def lines():
    report = contradictions()
    return [dict(zip(report.csv_header, line, strict=True)) for line in report.csv_lines]


def test_the_pairs_of_the_paper_that_cannot_exist():
    found = lines()
    assert len(found) == 60
    places = {
        (line["split"], line["dataset"], line["method"])
        for line in found
        if line["verdict"] == "impossible"
    }
    assert places == IMPOSSIBLE
    assert not any(line["verdict"] == "open" for line in found)


def test_implied_recalls_are_those_worked_out_by_hand():
    recalls = {
        (line["split"], line["dataset"], line["method"]): (
            line["larger_recall"],
            line["smaller_recall"],
        )
        for line in lines()
    }
    assert recalls["random", "hiv", "vanilla"] == pytest.approx((0.981, 0.457), abs=5e-4)
    assert recalls["standard", "sbap", "sdr"] == pytest.approx((0.947, 0.857), abs=5e-4)
    assert recalls["random", "uspto_50k", "sdr"] == (None, None)


def test_a_difference_that_rounding_explains_is_no_contradiction():
    # Printed 84.85 and 84.86: both may be 84.855. 88.49 and 88.52 cannot be one number.
    assert examine(0.8485, 0.8486, 2).verdict == "feasible"
    finding = examine(0.8849, 0.8852, 2)
    assert (finding.verdict, finding.reason) == ("impossible", "BF1 above BA")


def test_ten_classes_may_have_balanced_f1_above_balanced_accuracy_but_not_by_much():
    assert examine(0.9425, 0.9427, 10).verdict == "feasible"
    assert examine(0.9425, 0.98, 10).verdict == "impossible"
    assert examine(0.5, 0.2, 10).verdict == "impossible"
    assert examine(0.9, 0.94, 10).verdict == "open"


@st.composite
def rates(draw):
    classes = draw(st.integers(3, 6))
    cell = st.floats(1e-3, 1)
    weights = draw(
        st.lists(st.lists(cell, min_size=classes, max_size=classes), min_size=classes,
                 max_size=classes)
    )  # fmt: skip
    matrix = np.array(weights) ** 4
    return matrix / matrix.sum(axis=1, keepdims=True)


@given(rates())
def test_no_matrix_leaves_the_proven_bounds(matrix):
    a, f = np.trace(matrix) / len(matrix), mean_present(balanced_f1s(matrix))
    assert 2 * a**2 / (1 + a) - 1e-9 <= f <= 2 * a / (1 + a) + 1e-9
    assert examine(a, f, len(matrix)).verdict != "impossible"


@given(st.floats(0, 1), st.integers(3, 12))
def test_what_was_constructed_lies_within_the_proven_bounds(a, classes):
    low, high = extremes(a, classes)
    assert 2 * a**2 / (1 + a) - 1e-9 <= low <= high <= 2 * a / (1 + a) + 1e-9


def test_the_constructed_matrices_by_hand():
    # K = 3, a = 2/3, one error in all. All of class 0 read as 2: 0, 1 and 2 / 3.
    # Classes 0 and 1 read half as 2: 2/3, 2/3 and 2/3.
    assert extremes(2 / 3, 3) == pytest.approx((5 / 9, 2 / 3))
