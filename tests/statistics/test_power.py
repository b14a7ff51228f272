from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.statistics import pairs_needed, smallest_p, verdict

pytestmark = pytest.mark.fault(45)


def test_three_pairs_cannot_be_significant_and_six_are_the_first_that_can():
    assert smallest_p(3) == 0.25
    assert smallest_p(6) == pytest.approx(0.031, abs=5e-4)
    assert pairs_needed(0.05) == 6
    assert verdict(3).startswith("cannot be significant: p >= 0.25 with 3 pairs")
    assert verdict(5).startswith("cannot be significant")
    assert verdict(6).startswith("can be significant")


@pytest.mark.parametrize("n", [3, 5, 6, 8])
def test_bound_is_what_wilcoxons_test_reaches(n):
    assert smallest_p(n) == stats.wilcoxon(np.arange(1, n + 1)).pvalue


def test_level_of_zero_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        pairs_needed(0)
