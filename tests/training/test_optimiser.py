"""Our Adam beside torch's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bench.training.optimiser import make_optimiser
from bench.training.settings import TrainingSettings

SETTINGS = TrainingSettings(learning_rate=0.01, weight_decay=0.1)


def parameters(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [
        nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype))
        for shape in [(5, 3), (3,), (70, 70)]
    ]


def give_gradients(ours, skipped, step):
    generator = torch.Generator().manual_seed(step)
    for index, parameter in enumerate(ours):
        gradient = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        parameter.grad = None if (index, step) in skipped else gradient


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("skipped", [set(), {(0, 0), (1, 2), (2, 1)}, {(n, 1) for n in range(3)}])
def test_steps_are_those_of_torch_bit_for_bit(dtype, skipped):
    """A parameter that a step has no gradient for stays, and its count of steps, too."""
    ours, theirs = parameters(dtype), parameters(dtype)
    optimiser = make_optimiser(ours, SETTINGS)
    reference = torch.optim.Adam(theirs, lr=0.01, weight_decay=0.1, fused=True)
    for step in range(4):
        optimiser.learning_rate = reference.param_groups[0]["lr"] = 0.01 / (step + 1)
        give_gradients(ours, skipped, step)
        give_gradients(theirs, skipped, step)
        optimiser.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one, other)


def test_another_optimiser_goes_on_from_its_state():
    ours = parameters()
    optimiser = make_optimiser(ours, SETTINGS)
    for step in range(2):
        give_gradients(ours, {(1, 0)}, step)
        optimiser.step()
    others = copy.deepcopy(ours)
    another = make_optimiser(others, SETTINGS)
    another.load_state(copy.deepcopy(optimiser.state()))
    for each in (optimiser, another):
        each.learning_rate = 0.005
    give_gradients(ours, {}, 2)
    give_gradients(others, {}, 2)
    optimiser.step()
    another.step()
    for one, other in zip(ours, others, strict=True):
        assert torch.equal(one, other)


def without(state, name):
    return {n: tensor for n, tensor in state.items() if n != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # A copy would stretch the first two to the right shape.
        (
            lambda state: state | {"2.exp_avg": torch.ones(70)},
            r"\[70, 70\] as '2.* got .* \[70\]\.",
        ),
        (lambda state: state | {"step": torch.ones(())}, r"\[3\] as 'step' .* got .* \[\]\."),
        (lambda state: state | {"step": torch.ones(3).double()}, r"float32 .* got torch\.float64"),
        (lambda state: without(state, "1.exp_avg_sq"), r"as '1\.exp_avg_sq' .* got nothing\."),
        (lambda state: state | {"3.exp_avg": torch.ones(2)}, r"nothing as '3\.exp_avg'"),
        (lambda _: {"0.step": torch.tensor(7.0)}, r"got nothing and 7 more\. .* train again"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_as_a_whole(change, message):
    optimiser = make_optimiser(parameters(), SETTINGS)
    state = {name: torch.ones_like(tensor) for name, tensor in optimiser.state().items()}
    with pytest.raises(ValueError, match=message):
        optimiser.load_state(change(state))
    assert not any(tensor.any() for tensor in optimiser.state().values())


def test_gradients_are_forgotten():
    ours = parameters()
    give_gradients(ours, {}, 0)
    make_optimiser(ours, SETTINGS).zero_grad()
    assert all(parameter.grad is None for parameter in ours)


@pytest.mark.parametrize(
    "given", [[], parameters(torch.float32)[:1] + parameters(torch.float64)[:1]]
)
def test_the_kernel_is_given_one_type_alone(given):
    with pytest.raises(ValueError, match="one type on one device"):
        make_optimiser(given, SETTINGS)
