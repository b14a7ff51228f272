"""RF-DLC's loss and utilities by the numbers of the authors' code, by hand, and at limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.class_weights import inverse_frequency_weights
from bench.methods.losses.rf_dlc import expected_utilities, rf_dlc_loss

DIGITS = 5e-7
NONE = torch.zeros(3)


@pytest.fixture
def experts(logits):
    second = [[1.5, 0.5, -0.5], [0.1, 0.4, 0.6]]
    return torch.stack([logits, torch.tensor(second, dtype=torch.float64)])


@pytest.fixture
def particles():
    weight = torch.tensor([[1, -0.5, 0.2], [0.3, 0.4, -0.6], [-0.2, 0.1, 0.5]]).double()
    return torch.stack([weight, weight + 0.1])


def test_worked_fit_and_spread(experts, target, counts, particles):
    weights = inverse_frequency_weights(counts, gamma=1.0)
    fit = rf_dlc_loss(experts, target, NONE, particles, scale=1.0, repulsion=0.0)
    assert fit.item() == pytest.approx(0.730664, abs=DIGITS)
    fit_w = rf_dlc_loss(experts, target, NONE, particles, scale=1.0, repulsion=0.0, weights=weights)
    assert fit_w.item() == pytest.approx(1.049462, abs=DIGITS)
    spread = rf_dlc_loss(experts, target, NONE, particles, scale=1.0, repulsion=2.0) - fit
    assert -spread.item() == pytest.approx(-5.991465, abs=DIGITS)


@pytest.mark.parametrize(
    ("epoch", "late", "expected"), [(5, False, 2.032604), (27, True, 1.082741)]
)
def test_worked_losses(experts, target, counts, particles, epoch, late, expected):
    weights = inverse_frequency_weights(counts, gamma=1.0) if late else None
    loss = rf_dlc_loss(
        experts, target, NONE, particles,
        scale=1.0, repulsion=math.exp(-epoch / 6), weights=weights,
    )  # fmt: skip
    assert loss.item() == pytest.approx(expected, abs=DIGITS)


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (0.5, [[0.534508, 0.225410, 0.056612], [-0.008402, 0.155465, 0.344535]]),
        (1.0, [[0.379344, 0.197104, 0.056612], [-0.344535, -0.016803, 0.344535]]),
    ],
)
def test_worked_utilities(experts, counts, penalty, expected):
    found = expected_utilities(experts.mean(dim=0), counts, penalty=penalty)
    assert found.numpy() == pytest.approx(np.array(expected), abs=DIGITS)


def test_one_particle_has_nothing_to_repel(logits, target, particles):
    loss = rf_dlc_loss(logits[None], target, NONE, particles[:1], scale=1.0, repulsion=1.0)
    assert loss.item() == pytest.approx(cross_entropy(logits, target).item(), abs=1e-15)


def test_equal_particles_stay_finite(experts, target, particles):
    equal = particles[:1].repeat(2, 1, 1).requires_grad_()
    loss = rf_dlc_loss(experts, target, NONE, equal, scale=1.0, repulsion=1.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(equal.grad).all()


def test_particles_that_are_near_are_pushed_apart(experts, target):
    particles = torch.tensor([[1.0], [2.0]], requires_grad=True)
    rf_dlc_loss(experts, target, NONE, particles, scale=1.0, repulsion=1.0).backward()
    # Of -log(((a - b) / 2)^2) / 2 in a and b.
    assert particles.grad.tolist() == [[1.0], [-1.0]]


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=8), st.integers(0, 10**6))
def test_utilities_as_by_hand(counts, seed):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(scale=2, size=(3, len(counts))))
    penalty = rng.uniform(0, 2)
    p = logits.softmax(dim=1).numpy()
    expected = np.zeros_like(p)
    for i in range(3):
        for d in range(len(counts)):
            for y in range(len(counts)):
                utility = (d == y) - penalty * (counts[d] > counts[y])
                expected[i, d] += p[i, y] * utility
    found = expected_utilities(logits, torch.tensor(counts), penalty=penalty)
    assert found.numpy() == pytest.approx(expected)


def test_no_penalty_gives_the_probabilities(logits, counts):
    assert torch.equal(expected_utilities(logits, counts, penalty=0.0), logits.softmax(dim=1))


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_penalty_never_adds_predictions_of_the_largest_class(seed, one, other):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    counts = torch.tensor([100, 20, 20, 5])
    small, large = sorted([one, other])
    before, after = (
        expected_utilities(logits, counts, penalty=penalty).argmax(dim=1) == 0
        for penalty in (small, large)
    )
    assert (before | ~after).all()


@pytest.mark.parametrize(("probability", "predicted"), [(0.66, 1), (0.67, 0)])
def test_of_two_classes_the_larger_one_needs_two_thirds(probability, predicted):
    logits = torch.tensor([[probability, 1 - probability]]).log()
    found = expected_utilities(logits, torch.tensor([90, 10]), penalty=1.0)
    assert found.argmax(dim=1).item() == predicted
