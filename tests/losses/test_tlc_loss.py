"""TLC's loss by the numbers of the authors' code, by plain arithmetic, and at its limits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma, gammaln
from torch.nn.functional import cross_entropy

from bench.methods.losses.ldam import ldam_loss, ldam_margins
from bench.methods.losses.tlc import (
    dirichlet_divergences,
    log_trust_weights,
    tlc_loss,
    trusted_logits,
)

DIGITS = 5e-7
NONE = torch.zeros(3)
PLAIN = {"scale": 1.0, "evidence": 0.0, "diversity": 0.0, "engage": 0.0}


@pytest.fixture
def experts(logits):
    second = [[1.5, 0.5, -0.5], [0.1, 0.4, 0.6]]
    return torch.stack([logits, torch.tensor(second, dtype=torch.float64)])


def test_worked_weights(experts):
    weights = log_trust_weights(experts).exp()
    assert weights[0].tolist() == [1, 1]
    assert weights[1].tolist() == pytest.approx([0.222631, 0.430089], abs=DIGITS)
    assert weights[2].tolist() == pytest.approx([0.091411, 0.225897], abs=DIGITS)


def test_worked_divergences(experts, target):
    first, second = (dirichlet_divergences(expert, target).tolist() for expert in experts)
    assert first == pytest.approx([0.749589, 0.497767], abs=DIGITS)
    assert second == pytest.approx([0.428268, 0.444060], abs=DIGITS)


@pytest.mark.parametrize(("engage", "expected"), [(0.54, 1.806980), (0.0, 1.567070)])
def test_worked_loss(experts, target, engage, expected):
    loss = tlc_loss(experts, target, NONE, scale=1.0, evidence=0.1, diversity=0.01, engage=engage)
    assert loss.item() == pytest.approx(expected, abs=DIGITS)


def test_worked_prediction(experts):
    found = trusted_logits(experts, eta=0.2)
    assert found[0].tolist() == pytest.approx([1.989951, 0.989951, -0.989951], abs=DIGITS)
    assert found[1].tolist() == pytest.approx([0.478118, 0.210941, 0.127352], abs=DIGITS)


def weights_by_hand(experts):
    """From evidence, beliefs and conflicts, one sample at a time."""
    weights = [1.0]
    before = None
    for logits in experts:
        evidence = [math.exp(z) for z in logits]
        total = sum(e + 1 for e in evidence)
        beliefs = [e / total for e in evidence]
        conflict = 0.0
        if before is not None:
            pairs = [(i, j) for i in range(len(beliefs)) for j in range(len(beliefs)) if i != j]
            conflict = sum(before[i] * beliefs[j] for i, j in pairs)
        weights.append(weights[-1] * len(logits) / total / (1 - conflict))
        before = beliefs
    return weights


@given(st.integers(1, 4), st.integers(2, 6), st.integers(0, 10**6))
def test_weights_as_by_hand(num_experts, num_classes, seed):
    generator = torch.Generator().manual_seed(seed)
    experts = 3 * torch.randn(num_experts, 1, num_classes, generator=generator).double()
    found = log_trust_weights(experts)[:, 0].exp()
    assert found.tolist() == pytest.approx(weights_by_hand(experts[:, 0].tolist()), rel=1e-9)


@given(st.integers(2, 6), st.integers(0, 10**6))
def test_divergences_as_by_scipy(num_classes, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(1, num_classes, generator=generator).double()
    label = seed % num_classes
    alpha = (logits[0].exp() + 1).numpy()
    alpha[label] = 1
    total = alpha.sum()
    expected = gammaln(total) - gammaln(num_classes) - gammaln(alpha).sum()
    expected += ((alpha - 1) * (digamma(alpha) - digamma(total))).sum()
    found = dirichlet_divergences(logits, torch.tensor([label]))
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found.item() > -1e-12


def test_no_evidence_for_other_classes_costs_nothing():
    logits = torch.tensor([[5.0, -200.0, -200.0]], dtype=torch.float64)
    assert dirichlet_divergences(logits, torch.tensor([0])).item() == pytest.approx(0, abs=1e-12)
    assert dirichlet_divergences(logits, torch.tensor([1])).item() > 1


def test_without_extras_the_loss_is_the_sum_of_cross_entropies(experts, target):
    expected = sum(cross_entropy(expert, target).item() for expert in experts)
    assert tlc_loss(experts, target, NONE, **PLAIN).item() == pytest.approx(expected)


def test_margins_are_those_of_ldam(counts, target):
    cosines = torch.tensor([[[0.6, 0.2, -0.1], [0.1, 0.3, 0.4]]], dtype=torch.float64)
    margins = ldam_margins(counts, max_margin=0.5)
    found = tlc_loss(cosines, target, margins, **(PLAIN | {"scale": 30.0}))
    assert found.item() == pytest.approx(6.004925, abs=DIGITS)
    assert found.item() == pytest.approx(ldam_loss(cosines[0], target, margins, scale=30.0).item())


def test_weights_of_classes_are_not_normalised(experts, target):
    weights = torch.tensor([0.5, 1.0, 3.0])
    each = [cross_entropy(expert, target, reduction="none") for expert in experts]
    expected = sum((0.5 * losses[0] + 3 * losses[1]).item() / 2 for losses in each)
    found = tlc_loss(experts, target, NONE, **PLAIN, weights=weights)
    assert found.item() == pytest.approx(expected)


def test_later_experts_learn_from_samples_in_need_alone():
    sure, unsure = [9.0, -9.0, -9.0], [0.1, 0.0, 0.1]
    experts = torch.tensor([[sure, unsure]] * 2, dtype=torch.float64, requires_grad=True)
    loss = tlc_loss(experts, torch.tensor([0, 1]), NONE, **(PLAIN | {"engage": 0.54}))
    (gradient,) = torch.autograd.grad(loss, experts)
    assert gradient[0].abs().sum(dim=1).gt(0).all()
    assert gradient[1, 0].tolist() == [0, 0, 0]
    # The mean is over the one sample that is left.
    expected = experts.detach()[1, 1].softmax(dim=0) - torch.tensor([0.0, 1, 0])
    assert torch.allclose(gradient[1, 1], expected)


def test_one_expert_is_in_need_as_its_uncertainty():
    logits = torch.tensor([[[1.0, 2.0]]], dtype=torch.float64)
    uncertain = 2 / (math.e + math.e**2 + 2)
    assert log_trust_weights(logits)[1].exp().item() == pytest.approx(uncertain)


def test_a_large_eta_gives_the_mean_of_the_experts_and_a_small_one_the_first(experts):
    assert torch.allclose(trusted_logits(experts, eta=1e9), experts.mean(dim=0))
    assert torch.allclose(trusted_logits(experts, eta=1e-3), experts[0])


@given(st.integers(0, 10**6))
def test_a_prediction_does_not_depend_on_the_samples_beside_it(seed):
    generator = torch.Generator().manual_seed(seed)
    experts = 4 * torch.randn(3, 6, 4, generator=generator).double()
    whole = trusted_logits(experts, eta=0.2)
    alone = torch.cat([trusted_logits(experts[:, i : i + 1], eta=0.2) for i in range(6)])
    assert torch.allclose(whole, alone, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 30.0, 50.0, 500.0, 1e4])
def test_experts_that_are_sure_of_different_classes_stay_finite(dtype, size):
    """In single precision beliefs add up to 1, and 1 - C computed as it is written is 0."""
    experts = torch.tensor([[[size, -size, 0]], [[-size, size, 0]]], dtype=dtype)
    experts.requires_grad_()
    assert torch.isfinite(log_trust_weights(experts)).all()
    loss = tlc_loss(
        experts, torch.tensor([2]), NONE, scale=1.0, evidence=0.1, diversity=0.1, engage=0.54
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(experts.grad).all()
    assert torch.isfinite(trusted_logits(experts.detach(), eta=0.05)).all()


@pytest.mark.parametrize(("size", "tolerance"), [(15.0, 2e-6), (20.0, 2e-5), (30.0, 0.1)])
def test_divergences_are_taken_in_double_precision(size, tolerance):
    """In single precision, sums of log-gamma are off by thousands here."""
    logits = torch.tensor([[0.0, size, size - 1]])
    found = dirichlet_divergences(logits, torch.tensor([0])).item()
    assert found == pytest.approx(stirling(math.exp(size), math.exp(size - 1)), abs=tolerance)


def stirling(a, b):
    """``KL(Dir(1, a + 1, b + 1) || Dir(1, 1, 1))`` for large a and b, its largest terms."""
    total = a + b
    p, q = a / total, b / total
    entropy = -0.5 * math.log(2 * math.pi * p * q / total) - 0.5
    return entropy + math.log(total) - 1 - math.log(2)
