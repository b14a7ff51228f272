from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.statistics import prediction_interval, summarise


@pytest.mark.fault(44)
def test_deviation_is_of_the_sample_not_of_the_population():
    summary = summarise([0.1, 0.2, 0.3])
    assert (summary.n, summary.mean, summary.std) == (3, pytest.approx(0.2), pytest.approx(0.1))
    assert summary.std != pytest.approx(0.0816, abs=1e-3)


@pytest.mark.fault(44)
def test_one_value_has_neither_deviation_nor_interval():
    summary = summarise([0.7])
    assert (summary.mean, summary.std, summary.low, summary.high) == (0.7, None, None, None)


@pytest.mark.fault(44)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=8), st.randoms())
def test_order_of_seeds_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    assert summarise(shuffled).mean == summarise(values).mean
    assert summarise(shuffled).std == summarise(values).std


def test_interval_equals_that_of_the_t_test():
    values = [3.0, 4.5, 2.5, 4.0]
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    summary = summarise(values)
    np.testing.assert_allclose((summary.low, summary.high), interval, rtol=1e-12)


def test_no_value_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        summarise([])


def test_a_new_value_lies_in_its_interval_as_often_as_said_however_alike_the_values_are():
    """Seeds' deviation 2 with a part of it in common, as of overlapping test sets."""
    rng = np.random.default_rng(0)
    for count, common in ((2, 0.0), (3, 0.0), (3, 0.8)):
        shared = 2 * common**0.5 * rng.normal(size=(4000, 1))
        values = shared + 2 * (1 - common) ** 0.5 * rng.normal(size=(4000, count + 1))
        intervals = [prediction_interval(own) for own in values[:, :count].tolist()]
        inside = [
            low <= new <= high for (low, high), new in zip(intervals, values[:, -1], strict=True)
        ]
        assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_prediction_interval_by_hand_and_with_a_least_deviation():
    half = 4.302653 * 0.1 * (4 / 3) ** 0.5  # Student's quantile of two degrees
    assert prediction_interval([0.1, 0.2, 0.3]) == pytest.approx((0.2 - half, 0.2 + half))
    assert prediction_interval([0.1, 0.2, 0.3], 0.05) == prediction_interval([0.1, 0.2, 0.3])
    wide = prediction_interval([0.2, 0.2, 0.2], 0.1)
    assert wide == pytest.approx((0.2 - half, 0.2 + half))
    assert prediction_interval([0.7], 0.1) is None
