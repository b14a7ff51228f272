import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.cdt import cdt_loss, class_temperatures

DIGITS = 5e-7


@pytest.mark.parametrize(
    ("gamma", "temperatures", "losses", "mean"),
    [
        (0.2, [1, 1.379730, 1.820564], [0.305650, 1.296043], 0.800847),
        (0.4, [1, 1.903654, 3.314454], [0.284379, 1.302230], 0.793304),
    ],
)
def test_worked_numbers(counts, logits, target, gamma, temperatures, losses, mean):
    found = class_temperatures(counts, gamma=gamma)
    assert found.tolist() == pytest.approx(temperatures, abs=DIGITS)
    each = [cdt_loss(logits[i : i + 1], target[i : i + 1], found).item() for i in range(2)]
    assert each == pytest.approx(losses, abs=DIGITS)
    assert cdt_loss(logits, target, found).item() == pytest.approx(mean, abs=DIGITS)


@pytest.mark.parametrize(
    ("counts", "tail"), [((27779, 1010), 1.940), ((21902, 596), 2.056), ((10591, 161), 2.310)]
)
def test_temperature_of_the_smallest_class_of_the_real_sets(counts, tail):
    found = class_temperatures(torch.tensor(counts), gamma=0.2)
    assert found.tolist() == pytest.approx([1, tail], abs=5e-4)


@pytest.mark.parametrize(("counts", "gamma"), [([100, 20, 5], 0.0), ([9, 9, 9], 0.4)])
def test_no_exponent_or_equal_counts_give_cross_entropy(counts, gamma, logits, target):
    temperatures = class_temperatures(torch.tensor(counts), gamma=gamma)
    loss = cdt_loss(logits, target, temperatures)
    assert loss.item() == pytest.approx(cross_entropy(logits, target).item())


def test_a_common_shift_of_the_logits_changes_the_loss(counts, logits, target):
    temperatures = class_temperatures(counts, gamma=0.2)
    shifted = cdt_loss(logits + 1, target, temperatures)
    assert abs(shifted.item() - cdt_loss(logits, target, temperatures).item()) > 1e-3


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=12).filter(any), st.floats(0, 2))
def test_temperatures_begin_at_one_and_rise_as_counts_fall(counts, gamma):
    temperatures = class_temperatures(torch.tensor(counts), gamma=gamma)
    assert torch.isfinite(temperatures).all()
    assert temperatures.min() == 1
    assert temperatures[torch.tensor(counts).argmax()] == 1
    assert (temperatures[torch.tensor(counts).argsort()].diff() <= 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e4, -1e4])
def test_extremes_stay_finite(dtype, size):
    logits = torch.tensor([[size, -size, 0], [-size, size, 0]], dtype=dtype, requires_grad=True)
    temperatures = class_temperatures(torch.tensor([10**6, 1, 0]), gamma=1.0)
    loss = cdt_loss(logits, torch.tensor([0, 1]), temperatures)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
