import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.losses.distillation import distillation_loss, virtual_examples

DIGITS = 5e-7
STUDENT = torch.tensor([[2.0, 1.0, -1.0]], dtype=torch.float64)
TEACHER = torch.tensor([[1.5, 0.5, -0.5]], dtype=torch.float64)

logit_rows = st.lists(st.floats(-30, 30), min_size=4, max_size=4)


def reference(student, teacher, temperature, power):
    """The formula in words: temper, take the power, normalise, compare."""
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        r = [math.exp(x / temperature) for x in t]
        r = [x / sum(r) for x in r]
        r = [x**power for x in r]
        r = [x / sum(r) for x in r]
        p = [math.exp(x / temperature) for x in s]
        p = [x / sum(p) for x in p]
        total += sum(a * math.log(a / b) for a, b in zip(r, p, strict=True))
    return temperature**2 * total / len(student)


@pytest.mark.parametrize(
    ("power", "target", "divergence"),
    [
        (1.0, [0.506480, 0.307196, 0.186324], 0.017023),
        (0.5, [0.419229, 0.326496, 0.254275], 0.070692),
    ],
)
def test_worked_numbers(power, target, divergence):
    found = virtual_examples(TEACHER, temperature=2.0, power=power).exp()[0]
    assert found.tolist() == pytest.approx(target, abs=DIGITS)
    loss = distillation_loss(STUDENT, TEACHER, temperature=2.0, power=power).item()
    assert loss / 4 == pytest.approx(divergence, abs=DIGITS)


def test_worked_number_with_the_factor():
    loss = distillation_loss(STUDENT, TEACHER, temperature=2.0, power=0.5)
    assert loss.item() == pytest.approx(0.282767, abs=DIGITS)


@given(
    st.lists(st.tuples(logit_rows, logit_rows), min_size=1, max_size=5),
    st.floats(0.5, 10),
    st.floats(0, 3),
)
def test_agrees_with_the_formula_in_loops_and_is_never_negative(rows, temperature, power):
    student, teacher = zip(*rows, strict=True)
    loss = distillation_loss(
        torch.tensor(student, dtype=torch.float64),
        torch.tensor(teacher, dtype=torch.float64),
        temperature=temperature,
        power=power,
    ).item()
    expected = reference(student, teacher, temperature, power)
    assert loss == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert loss > -1e-9


@given(logit_rows, st.floats(0.1, 10))
def test_a_student_like_its_unflattened_teacher_has_no_loss(row, temperature):
    logits = torch.tensor([row], dtype=torch.float64)
    loss = distillation_loss(logits, logits + 3, temperature=temperature, power=1.0)
    assert loss.item() == pytest.approx(0, abs=1e-9)


def test_power_zero_asks_for_the_uniform_distribution():
    target = virtual_examples(TEACHER, temperature=2.0, power=0.0).exp()
    assert target[0].tolist() == pytest.approx([1 / 3] * 3)


@given(logit_rows, st.floats(0, 3), st.floats(0.01, 3))
def test_raising_the_power_sharpens(row, power, more):
    logits = torch.tensor([row], dtype=torch.float64)
    flat, sharp = (
        virtual_examples(logits, temperature=2.0, power=q).max() for q in (power, power + more)
    )
    assert sharp >= flat - 1e-12


def test_gradient_is_the_difference_of_distributions_times_the_temperature():
    logits = STUDENT.repeat(2, 1).requires_grad_()
    distillation_loss(logits, TEACHER.repeat(2, 1), temperature=4.0, power=0.5).backward()
    expected = 4 * ((STUDENT / 4).softmax(1) - (TEACHER / 8).softmax(1)) / 2
    assert torch.allclose(logits.grad, expected.repeat(2, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_extreme_logits_stay_finite(dtype, power):
    student = torch.tensor([[1e4, -1e4], [1e4, 1e4]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[-1e4, 1e4], [1e4, -1e4]], dtype=dtype)
    loss = distillation_loss(student, teacher, temperature=2.0, power=power)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()
