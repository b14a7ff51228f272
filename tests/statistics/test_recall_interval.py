from __future__ import annotations

import numpy as np
import pytest

from bench.metrics import wilson_interval
from bench.statistics import mean_recall_interval


@pytest.mark.fault(49)
@pytest.mark.parametrize(("right", "low", "high"), [(12, 0.330, 0.708), (0, 0.0, 0.143)])
def test_one_class_has_wilsons_interval(right, low, high):
    assert mean_recall_interval([right], [23]) == pytest.approx((low, high), abs=5e-4)
    assert mean_recall_interval([right], [23]) == pytest.approx(wilson_interval(right, 23))


def test_interval_of_three_small_classes_holds_the_true_mean_95_times_of_100():
    rng = np.random.default_rng(0)
    recall, tested = np.array([0.9, 0.6, 0.97]), np.array([46, 23, 60])
    bounds = [mean_recall_interval(rng.binomial(tested, recall), tested) for _ in range(1000)]
    inside = np.mean([low <= recall.mean() <= high for low, high in bounds])
    assert 0.93 <= inside <= 0.98
