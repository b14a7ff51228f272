import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.losses.adaptive_activation import (
    adaptive_linear_unit,
    adaptive_parametric_activation,
    logit_adjustments,
)

DIGITS = 5e-7
X = torch.tensor([-2, 0, 1.5], dtype=torch.float64)


def number(value):
    return torch.tensor(value, dtype=torch.float64)


def apa(x, shape, slope):
    return adaptive_parametric_activation(x, number(shape), number(slope))


def aglu(x, shape, slope):
    return adaptive_linear_unit(x, number(shape), number(slope))


@pytest.mark.parametrize(
    ("shape", "slope", "expected"),
    [
        (1.0, 1.0, [0.119203, 0.5, 0.817574]),
        (0.5, 1.2, [0.023584, 0.444444, 0.853148]),
        (2.0, 0.7, [0.331308, 0.577350, 0.766993]),
    ],
)
def test_worked_numbers(shape, slope, expected):
    assert apa(X, shape, slope).tolist() == pytest.approx(expected, abs=DIGITS)


def test_worked_numbers_of_the_unit():
    expected = [-0.047169, 0, 1.279722]
    assert aglu(X, 0.5, 1.2).tolist() == pytest.approx(expected, abs=DIGITS)


def test_worked_adjustments(counts):
    rel, raw = (logit_adjustments(counts, name).tolist() for name in ("rel", "raw"))
    assert rel == pytest.approx([-1.386294, 1.658228, 3.178054], abs=DIGITS)
    assert raw == pytest.approx([0.223144, 1.832581, 3.218876], abs=DIGITS)


REAL = st.floats(-30, 30)


@given(st.lists(REAL, min_size=1, max_size=5), st.floats(0.01, 5), st.floats(-3, 3))
def test_it_agrees_with_the_formula(values, shape, slope):
    expected = [(shape * math.exp(-slope * v) + 1) ** (-1 / shape) for v in values]
    found = apa(torch.tensor(values, dtype=torch.float64), shape, slope).tolist()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_limits():
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    torch.testing.assert_close(apa(x, 1.0, 1.0), x.sigmoid())
    torch.testing.assert_close(aglu(x, 1.0, 1.0), torch.nn.functional.silu(x))
    for slope in (1.0, 2.5):
        gumbel = (-(-slope * x).exp()).exp()
        torch.testing.assert_close(apa(x, 1e-9, slope), gumbel, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(aglu(x, 0.7, 1e5), x.relu())
    assert apa(number(0.0), 3.0, 2.0).item() == pytest.approx(4 ** (-1 / 3))


def test_far_arguments_have_finite_values_and_gradients():
    x = torch.tensor([-1e4, -200.0, 0, 200, 1e4], requires_grad=True)
    shape = torch.tensor(1e-4, requires_grad=True)
    slope = torch.tensor(1.0, requires_grad=True)
    found = adaptive_linear_unit(x, shape, slope)
    found.sum().backward()
    assert found.isfinite().all()
    assert all(t.grad.isfinite().all() for t in (x, shape, slope))


def test_with_two_classes_rel_takes_the_prior_off_twice():
    rel, raw = (logit_adjustments(torch.tensor([90, 10]), name) for name in ("rel", "raw"))
    assert (rel[1] - rel[0]).item() == pytest.approx(2 * (raw[1] - raw[0]).item())


def test_an_absent_class_counts_as_one_sample():
    for name in ("rel", "raw"):
        found = logit_adjustments(torch.tensor([9, 1, 0]), name)
        assert found.isfinite().all()
        assert found[1] == found[2]
