from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import studentized_range

from bench.statistics.studentised_range import range_tail


@pytest.mark.parametrize(
    ("means", "degrees"), [(2, 1), (2, 6), (3, 4), (12, 11), (12, 60), (30, 58), (200, 199)]
)
def test_tail_is_that_of_scipy(means, degrees):
    q = np.array([0.5, 3.5, 6.0, 20.0])
    expected = studentized_range.sf(q, means, degrees)
    np.testing.assert_allclose(range_tail(q, means, degrees), expected, atol=2e-4)


def test_many_degrees_are_the_range_of_known_deviation():
    expected = studentized_range.sf([3.0, 5.0], 12, np.inf)
    np.testing.assert_allclose(range_tail(np.array([3.0, 5.0]), 12, 100_000), expected, atol=2e-5)


def test_ends_and_shape():
    q = np.array([[0.0, np.inf]])
    np.testing.assert_allclose(range_tail(q, 5, 10), [[1.0, 0.0]], atol=1e-8)
