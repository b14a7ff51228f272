"""The two-way analysis of variance in blocks against worked numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.statistics.two_way import two_way

SCORES = arrays(np.float64, (3, 2, 4), elements=st.floats(0, 100, allow_subnormal=False))


def test_worked_numbers() -> None:
    # Seed means 4.5 and 5.5 and cell means 2, 4, 5, 9 around a mean of 5.
    scores = np.array([[[2.0, 2.0], [3.0, 5.0]], [[5.0, 5.0], [8.0, 10.0]]])
    found = two_way(scores)
    # method: means 3 and 7, 4 * (4 + 4); encoder: 3.5 and 6.5, 4 * (2.25 + 2.25);
    # interaction: 0.5 in each of four cells, twice; seed: 4 * (0.25 + 0.25);
    # residual: 0.5 in each of eight.
    assert found.method.sum_of_squares == pytest.approx(32)
    assert found.encoder.sum_of_squares == pytest.approx(18)
    assert found.interaction.sum_of_squares == pytest.approx(2)
    assert found.seed.sum_of_squares == pytest.approx(2)
    assert found.residual.sum_of_squares == pytest.approx(2)
    assert found.residual.degrees == 3
    # F(1, 3) = 3: p = 1 - 2/pi * (atan(1) + 1/2) for t(3) = sqrt(3).
    assert found.seed.p == pytest.approx(1 - 2 / np.pi * (np.arctan(1) + 0.5))


@given(SCORES)
def test_the_parts_sum_up_to_the_whole(scores: np.ndarray) -> None:
    found = two_way(scores)
    parts = (found.method, found.encoder, found.interaction, found.seed, found.residual)
    total = ((scores - scores.mean()) ** 2).sum()
    assert sum(part.sum_of_squares for part in parts) == pytest.approx(total, abs=1e-6)
    assert sum(part.degrees for part in parts) == scores.size - 1


@given(SCORES)
def test_factors_change_places(scores: np.ndarray) -> None:
    one, other = two_way(scores), two_way(scores.transpose(1, 0, 2))
    assert one.method.sum_of_squares == pytest.approx(other.encoder.sum_of_squares, abs=1e-6)
    assert one.residual.sum_of_squares == pytest.approx(other.residual.sum_of_squares, abs=1e-6)


def test_equal_scores_say_nothing() -> None:
    found = two_way(np.full((2, 2, 2), 70.0))
    assert found.method.p is None
    assert found.method.share == 0


@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 1, 2), (2, 2, 1)])
def test_too_few(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two methods, encoders and seeds"):
        two_way(np.zeros(shape))
