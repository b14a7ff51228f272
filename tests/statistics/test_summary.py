from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.statistics import summarise


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
