"""ImbSAM by the numbers of its definition, by a step taken by hand, and at its limits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.imbsam import head_and_tail_losses, sharpness_aware_tail, tail_classes

DIGITS = 5e-7
TAIL = torch.tensor([False, True, True])


@pytest.fixture
def weight():
    rows = [[1, -0.5, 0.2], [0.3, 0.4, -0.6], [-0.2, 0.1, 0.5]]
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def features():
    return torch.tensor([[1.0, -2.0, 0.5], [0.2, 0.1, -0.3]], dtype=torch.float64)


def step(weight, features, target, *, rho=0.05, ratio=1.0, factor=1.0, tail=TAIL):
    """Loss and its gradient; H and S before, S after the move."""
    inside = []

    def losses(at):
        head, of_tail = head_and_tail_losses(features @ at.T, target, tail)
        return head, factor * of_tail

    def elsewhere(at):
        inside.append(losses(at["weight"])[1])
        return inside[-1]

    before = losses(weight)
    loss = sharpness_aware_tail(before, {"weight": weight}, elsewhere, rho=rho, ratio=ratio)
    (gradient,) = torch.autograd.grad(loss, weight, retain_graph=True)
    return loss.item(), gradient, before, inside[0].item()


def test_worked_step(weight, features, target):
    loss, gradient, (head, tail), moved = step(weight, features, target)
    (of_tail,) = torch.autograd.grad(tail, weight)
    assert of_tail.norm().item() == pytest.approx(0.170542, abs=DIGITS)
    assert head.item() == pytest.approx(0.074392, abs=DIGITS)
    assert tail.item() == pytest.approx(0.679723, abs=DIGITS)
    assert moved == pytest.approx(0.688276, abs=DIGITS)
    assert loss == pytest.approx(0.762668, abs=DIGITS)
    assert gradient[0].tolist() == pytest.approx([-0.035312, 0.155150, -0.085277], abs=DIGITS)
    assert gradient[2].tolist() == pytest.approx([-0.029341, -0.128206, 0.134840], abs=DIGITS)


def test_worked_step_with_the_tail_twice(weight, features, target):
    loss, gradient, _, _ = step(weight, features, target, ratio=2.0)
    assert loss == pytest.approx(1.450943, abs=DIGITS)
    assert gradient[0].tolist() == pytest.approx([-0.001501, 0.172055, -0.135993], abs=DIGITS)


def test_gradient_is_that_of_the_head_here_and_of_the_tail_there(weight, features, target):
    _, gradient, (head, tail), _ = step(weight, features, target, ratio=1.5)
    (of_head,) = torch.autograd.grad(head, weight, retain_graph=True)
    (of_tail,) = torch.autograd.grad(tail, weight, retain_graph=True)
    there = (weight + 0.05 * of_tail / of_tail.norm()).detach().requires_grad_()
    moved = head_and_tail_losses(features @ there.T, target, TAIL)[1]
    (of_moved,) = torch.autograd.grad(moved, there)
    assert torch.allclose(gradient, of_head + 1.5 * of_moved, rtol=1e-9)


@pytest.mark.parametrize("options", [{"rho": 0.0}, {"tail": torch.tensor([False] * 3)}])
def test_without_a_move_or_a_tail_it_is_cross_entropy(weight, features, target, options):
    loss, gradient, _, _ = step(weight, features, target, **options)
    whole = cross_entropy(features @ weight.T, target)
    (expected,) = torch.autograd.grad(whole, weight)
    assert loss == pytest.approx(whole.item(), rel=1e-12)
    assert torch.allclose(gradient, expected, rtol=1e-12)


def test_with_nothing_but_tail_it_is_sam(weight, features, target):
    loss, gradient, _, _ = step(weight, features, target, tail=torch.tensor([True] * 3))
    (own,) = torch.autograd.grad(cross_entropy(features @ weight.T, target), weight)
    there = (weight + 0.05 * own / own.norm()).detach().requires_grad_()
    moved = cross_entropy(features @ there.T, target)
    (expected,) = torch.autograd.grad(moved, there)
    assert loss == pytest.approx(moved.item())
    assert torch.allclose(gradient, expected)


@given(st.floats(1e-3, 0.2), st.floats(0.01, 100), st.integers(0, 10**6))
def test_the_tails_loss_grows_and_its_scale_does_not_move_weights(rho, factor, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 0, 1, 1, 2, 2])
    _, _, (_, tail), moved = step(weight, features, target, rho=rho)
    # Cross-entropy is convex in the weights of one layer: at least as much as to first order.
    (slope,) = torch.autograd.grad(tail, weight)
    assert moved >= (tail + rho * slope.norm()).item() - 1e-9
    *_, scaled = step(weight, features, target, rho=rho, factor=factor)
    assert scaled == pytest.approx(factor * moved, rel=1e-6)


def test_the_norm_is_that_of_all_gradients_together():
    a, b = torch.tensor(3.0, requires_grad=True), torch.tensor(4.0, requires_grad=True)
    unused = torch.ones(2, requires_grad=True)
    seen = {}

    def elsewhere(at):
        seen.update({name: value.tolist() for name, value in at.items()})
        return at["a"] * 0

    tail = a**2 / 2 + b**2 / 2
    parameters = {"a": a, "b": b, "unused": unused}
    sharpness_aware_tail((a * 0, tail), parameters, elsewhere, rho=5.0, ratio=1.0)
    assert [seen["a"], seen["b"]] == pytest.approx([6, 8])
    assert seen["unused"] == [1, 1]


@pytest.mark.parametrize(
    ("counts", "eta", "expected"),
    [
        ([100, 20, 5], 1.0, [False, True, True]),
        ([100, 20, 5], 0.2, [False, False, True]),
        ([100, 20, 5], 0.0, [False] * 3),
        ([100, 20, 5], 3.1, [True] * 3),
        ([900, 100], 1.0, [False, True]),
        ([50, 50], 1.0, [False, False]),
    ],
)
def test_which_classes_are_tail(counts, eta, expected):
    assert tail_classes(torch.tensor(counts), eta=eta).tolist() == expected


def test_head_and_tail_add_up(logits, target):
    head, tail = head_and_tail_losses(logits, target, TAIL)
    assert (head + tail).item() == pytest.approx(cross_entropy(logits, target).item())
    assert tail.item() == pytest.approx(-math.log(0.278010) / 2, abs=5e-6)
