import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.encouraging import encouraging_loss

DIGITS = 5.1e-7


def each(logits, target, tangent_from):
    return [
        encouraging_loss(logits[i : i + 1], target[i : i + 1], tangent_from=tangent_from).item()
        for i in range(len(target))
    ]


def by_definition(p, end):
    if p <= end:
        bonus = math.log(max(1 - p, 1e-5)) if end == 1 else math.log(1 - p)
    else:
        bonus = math.log(1 - end) - (p - end) / (1 - end)
    return -math.log(p) + bonus


def odds(p):
    """Logits of two classes, of which the first has probability `p`."""
    return torch.tensor([[math.log(p / (1 - p)), 0.0]], dtype=torch.float64)


FIRST = torch.tensor([0])


@pytest.mark.parametrize(
    ("tangent_from", "expected", "mean"),
    [
        (0.5, [-0.754904, 0.954355], 0.099726),
        (0.75, [-0.873072, 0.954355], 0.040642),
        (1.0, [-0.873072, 0.954355], 0.040642),
    ],
)
def test_worked_numbers(logits, target, tangent_from, expected, mean):
    assert each(logits, target, tangent_from) == pytest.approx(expected, abs=DIGITS)
    loss = encouraging_loss(logits, target, tangent_from=tangent_from)
    assert loss.item() == pytest.approx(mean, abs=DIGITS)


@pytest.mark.parametrize(
    ("tangent_from", "expected"),
    [
        (0.5, [-1.631824, -1.309525]),
        (0.75, [-2.284230, -1.752614]),
        (1.0, [-3.873072, -1.945645]),
    ],
)
def test_worked_numbers_of_confident_samples(tangent_from, expected):
    logits = torch.tensor([[5.0, 1.0, -1.0], [0.5, 0.2, 3.0]], dtype=torch.float64)
    target = torch.tensor([0, 2])
    p = (-cross_entropy(logits, target, reduction="none")).exp()
    assert p.tolist() == pytest.approx([0.979629, 0.874971], abs=DIGITS)
    assert each(logits, target, tangent_from) == pytest.approx(expected, abs=DIGITS)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0, 1))
def test_equals_the_definition(p, tangent_from):
    found = encouraging_loss(odds(p), FIRST, tangent_from=tangent_from).item()
    assert found == pytest.approx(by_definition(p, tangent_from), rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3), st.floats(0, 0.99), st.integers(0, 2))
def test_gradient_in_the_own_logit(values, tangent_from, label):
    logits = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    encouraging_loss(logits, torch.tensor([label]), tangent_from=tangent_from).backward()
    p = logits.detach().softmax(dim=1)[0, label].item()
    expected = -1.0
    if p > tangent_from:
        expected = -(1 - p) - p * (1 - p) / (1 - tangent_from)
    # At the end itself both are -1.
    assert logits.grad[0, label].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("tangent_from", [0.25, 0.5, 0.75])
def test_value_and_slope_are_continuous_where_the_tangent_begins(tangent_from):
    found = []
    for p in (tangent_from - 1e-9, tangent_from, tangent_from + 1e-9):
        logits = odds(p).requires_grad_()
        loss = encouraging_loss(logits, FIRST, tangent_from=tangent_from)
        loss.backward()
        found.append((loss.item(), logits.grad[0, 0].item()))
    for below, above in pairwise(found):
        assert below == pytest.approx(above, abs=1e-7)


def test_a_tangent_from_0_takes_the_probability_off(logits, target):
    losses = cross_entropy(logits, target, reduction="none")
    expected = (losses - (-losses).exp()).mean()
    assert encouraging_loss(logits, target, tangent_from=0.0).item() == pytest.approx(
        expected.item()
    )


def test_two_classes_without_a_tangent_are_linear_and_only_the_clamp_ends_it():
    for margin in (-3.0, 0.0, 2.0, 11.0):
        logits = torch.tensor([[margin, 0.0]], dtype=torch.float64, requires_grad=True)
        loss = encouraging_loss(logits, FIRST, tangent_from=1.0)
        loss.backward()
        assert loss.item() == pytest.approx(-margin, rel=1e-9, abs=1e-12)
        assert logits.grad.tolist() == [pytest.approx([-1.0, 1.0])]
    # The tangent has a lowest point far out, no slope for ever.
    steep = torch.tensor([[11.0, 0.0]], dtype=torch.float64, requires_grad=True)
    encouraging_loss(steep, FIRST, tangent_from=0.5).backward()
    assert abs(steep.grad[0, 0]) < 1e-4


def test_confident_samples_have_a_negative_loss():
    assert encouraging_loss(odds(0.99), FIRST, tangent_from=0.5) < 0


@pytest.mark.parametrize("tangent_from", [0.0, 0.5, 0.999999, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extremes_stay_finite(tangent_from, dtype):
    logits = torch.tensor([[1e4, 0.0], [-1e4, 1e4]], dtype=dtype, requires_grad=True)
    loss = encouraging_loss(logits, torch.tensor([0, 0]), tangent_from=tangent_from)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
