from itertools import pairwise

import pytest

from bench.training.schedules import learning_rate_factor


def _cosine(epoch, step, steps=10, epochs=4):
    return learning_rate_factor("cosine", epoch=epoch, step=step, steps=steps, epochs=epochs)


def test_cosine_falls_from_one_over_a_half_towards_zero():
    assert _cosine(1, 0) == 1
    assert _cosine(3, 0) == pytest.approx(0.5)
    factors = [_cosine(epoch, step) for epoch in range(1, 5) for step in range(10)]
    assert all(earlier > later for earlier, later in pairwise(factors))
    assert 0 < factors[-1] < 0.01


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(1, 3.666667e-4), (10, 6.666667e-4), (119, 1e-3), (120, 1e-5), (159, 1e-5), (160, 1e-7)],
)
def test_imdrug_spot_values(epoch, rate):
    factor = learning_rate_factor("imdrug", epoch=epoch, step=3, steps=10, epochs=200)
    assert 1e-3 * factor == pytest.approx(rate, rel=1e-6)
