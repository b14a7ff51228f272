"""RIDE's loss by the numbers of the authors' code, by plain arithmetic, and at its limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.class_weights import effective_number_weights
from bench.methods.losses.ldam import ldam_loss, ldam_margins
from bench.methods.losses.ride import diversity_temperatures, expert_divergences, ride_loss

DIGITS = 5e-7
NONE = torch.zeros(3)


@pytest.fixture
def experts(logits):
    second = [[1.5, 0.5, -0.5], [0.1, 0.4, 0.6]]
    return torch.stack([logits, torch.tensor(second, dtype=torch.float64)])


@pytest.fixture
def cosines():
    first, second = [[0.6, 0.2, -0.1], [0.1, 0.3, 0.4]], [[0.5, 0.1, 0.0], [0.2, 0.1, 0.3]]
    return torch.tensor([first, second], dtype=torch.float64)


@pytest.fixture
def temperatures(counts):
    return diversity_temperatures(counts, factor=0.05)


def test_worked_temperatures(temperatures):
    assert temperatures.tolist() == pytest.approx([1, 0.910280, 0.893458], abs=DIGITS)
    assert temperatures.mean().item() == pytest.approx(0.934579, abs=DIGITS)


def test_worked_loss_on_logits(experts, target):
    assert expert_divergences(experts).mean(dim=1).tolist() == pytest.approx(
        [0.011840, 0.012391], abs=DIGITS
    )
    loss = ride_loss(experts, target, NONE, scale=1.0, diversity=0.2)
    assert loss.item() == pytest.approx(1.456482, abs=DIGITS)


def test_worked_loss_on_logits_with_temperatures(experts, target, temperatures):
    found = expert_divergences(experts, temperatures).mean(dim=1) / temperatures.mean() ** 2
    assert found.tolist() == pytest.approx([0.013039, 0.013660], abs=DIGITS)
    loss = ride_loss(experts, target, NONE, scale=1.0, diversity=0.45, temperatures=temperatures)
    assert loss.item() == pytest.approx(1.450834, abs=DIGITS)


def test_worked_loss_on_cosines_with_weights(cosines, target, counts, temperatures):
    margins = ldam_margins(counts, max_margin=0.5)
    weights = effective_number_weights(counts, beta=0.9999)
    bases = [ldam_loss(c, target, margins, scale=30.0, weights=weights).item() for c in cosines]
    assert bases == pytest.approx([11.428699, 11.472622], abs=DIGITS)
    found = expert_divergences(30 * cosines, temperatures).mean(dim=1) / temperatures.mean() ** 2
    assert found.tolist() == pytest.approx([0.007558, 0.009276], abs=DIGITS)
    loss = ride_loss(
        cosines, target, margins,
        scale=30.0, diversity=0.2, temperatures=temperatures, weights=weights,
    )  # fmt: skip
    assert loss.item() == pytest.approx(22.898380, abs=DIGITS)


def by_hand(experts, target, temperatures, diversity):
    """In plain Python."""
    total, size = 0.0, len(target)
    mean_temperature = sum(temperatures) / len(temperatures)

    def softmax(row):
        powers = [math.exp(z / t) for z, t in zip(row, temperatures, strict=True)]
        return [power / sum(powers) for power in powers]

    for expert in experts:
        for i, label in enumerate(target):
            row, mean = expert[i], np.mean([other[i] for other in experts], axis=0)
            total += (math.log(sum(math.exp(z) for z in row)) - row[label]) / size
            p, q = softmax(mean), softmax(row)
            divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
            total -= diversity * mean_temperature**2 * divergence / size
    return total


@given(st.integers(1, 4), st.integers(2, 5), st.integers(1, 4), st.integers(0, 10**6))
def test_as_by_hand(num_experts, num_classes, size, seed):
    rng = np.random.default_rng(seed)
    experts = rng.normal(scale=2, size=(num_experts, size, num_classes))
    target = rng.integers(num_classes, size=size)
    counts = torch.from_numpy(rng.integers(1, 1000, size=num_classes))
    temperatures = diversity_temperatures(counts, factor=0.3)
    loss = ride_loss(
        torch.from_numpy(experts), torch.from_numpy(target), torch.zeros(num_classes),
        scale=1.0, diversity=0.3, temperatures=temperatures,
    )  # fmt: skip
    expected = by_hand(experts.tolist(), target.tolist(), temperatures.tolist(), 0.3)
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("diversity", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_one_expert_is_the_base_alone(
    logits, cosines, target, counts, temperatures, scale, diversity
):
    # Cross-entropy of logits, or LDAM's of cosines.
    alone, margins = logits[None].requires_grad_(), NONE
    base = cross_entropy(alone[0], target)
    if scale > 1:
        alone, margins = cosines[:1].requires_grad_(), ldam_margins(counts, max_margin=0.5)
        base = ldam_loss(alone[0], target, margins, scale=scale)
    loss = ride_loss(
        alone, target, margins, scale=scale, diversity=diversity, temperatures=temperatures
    )
    assert loss.item() == pytest.approx(base.item(), abs=1e-15)
    (found,), (expected,) = (torch.autograd.grad(value, alone) for value in (loss, base))
    assert torch.allclose(found, expected, rtol=0, atol=1e-15 * scale)


def test_equal_experts_lose_as_many_times_the_base(logits, target, temperatures):
    experts = logits.expand(4, -1, -1)
    loss = ride_loss(experts, target, NONE, scale=1.0, diversity=0.9, temperatures=temperatures)
    assert loss.item() == pytest.approx(4 * cross_entropy(logits, target).item())


def test_without_diversity_each_expert_has_the_gradient_of_a_run_of_its_own(experts, target):
    experts.requires_grad_()
    loss = ride_loss(experts, target, NONE, scale=1.0, diversity=0.0)
    (found,) = torch.autograd.grad(loss, experts)
    for m in range(2):
        own = experts[m].detach().requires_grad_()
        (expected,) = torch.autograd.grad(cross_entropy(own, target), own)
        assert torch.equal(found[m], expected)


def test_no_gradient_passes_through_the_mean_of_the_experts(experts):
    """Over all experts it would cancel; over those that a sample is given to, it would not."""
    experts.requires_grad_()
    (found,) = torch.autograd.grad(expert_divergences(experts)[0].sum(), experts)
    mean = experts.detach().mean(dim=0).softmax(dim=1)
    # Of KL(p || softmax(z)) in z, with p given.
    assert torch.allclose(found[0], experts.detach()[0].softmax(dim=1) - mean)
    assert not found[1].any()


@given(st.integers(2, 9), st.integers(1, 10**6))
def test_equal_counts_have_no_temperature(num_classes, count):
    counts = torch.full((num_classes,), count)
    assert torch.equal(
        diversity_temperatures(counts, factor=0.05), torch.ones(num_classes, dtype=torch.float64)
    )


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=12).filter(any), st.floats(0, 0.99))
def test_temperatures_rise_with_the_count_and_end_at_one(counts, factor):
    counts = torch.tensor(counts)
    found = diversity_temperatures(counts, factor=factor)
    assert found.max().item() == 1
    assert (found[counts.argsort()].diff() >= 0).all()
    assert (found > 0).all()


@given(st.integers(0, 10**6))
def test_divergences_are_not_negative_and_sharper_where_temperatures_are_low(seed):
    generator = torch.Generator().manual_seed(seed)
    experts = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    assert (expert_divergences(experts) > -1e-12).all()
    # Half the temperature is twice the logits; the square of the mean undoes a fourth of it.
    half = torch.full((4,), 0.5, dtype=torch.float64)
    assert torch.allclose(expert_divergences(experts, half), expert_divergences(2 * experts) / 4)
