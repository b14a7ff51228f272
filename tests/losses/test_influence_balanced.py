import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.class_weights import inverse_frequency_weights
from bench.methods.losses.influence_balanced import influence_balanced_loss

DIGITS = 5e-7
ONES = torch.ones(3)


@pytest.fixture
def features():
    return torch.tensor([[1.0, -2.0, 0.5], [0.2, 0.1, -0.3]], dtype=torch.float64)


@pytest.fixture
def weights(counts):
    inverse = inverse_frequency_weights(counts, gamma=1.0)
    return inverse / inverse.mean()


def each(logits, target, features, weights, **settings):
    return [
        influence_balanced_loss(
            logits[i : i + 1], target[i : i + 1], features[i : i + 1], weights, **settings
        ).item()
        for i in range(len(target))
    ]


def test_worked_factors(logits, target, features):
    losses = cross_entropy(logits, target, reduction="none")
    factors = torch.tensor(each(logits, target, features, ONES, alpha=1.0)) / losses
    assert factors.tolist() == pytest.approx([0.484659, 1.152886], abs=DIGITS)


def test_worked_losses(logits, target, features, weights):
    unweighted = influence_balanced_loss(logits, target, features, ONES, alpha=1.0)
    assert unweighted.item() == pytest.approx(0.822480, abs=DIGITS)
    assert weights.tolist() == pytest.approx([0.115385, 0.576923, 2.307692], abs=DIGITS)
    losses = each(logits, target, features, weights, alpha=1.0)
    assert losses == pytest.approx([0.019518, 3.405712], abs=DIGITS)
    for alpha, mean in ((1.0, 1.712615), (1000.0, 1712.614706)):
        loss = influence_balanced_loss(logits, target, features, weights, alpha=alpha)
        assert loss.item() == pytest.approx(mean, abs=DIGITS)


def test_factor_is_the_inverse_norm_of_the_gradient_of_the_linear_layer():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    expected = 0.0
    for i in range(6):
        loss = cross_entropy(features[i : i + 1] @ weight.T, target[i : i + 1])
        (gradient,) = torch.autograd.grad(loss, weight)
        expected += 5.0 / (gradient.abs().sum().item() + 1e-3) * loss.item() / 6
    found = influence_balanced_loss(features @ weight.T, target, features, ONES, alpha=5.0)
    assert found.item() == pytest.approx(expected, rel=1e-12)


@given(st.floats(1e-3, 1e3), st.floats(1e-2, 1e2))
def test_loss_grows_with_alpha_and_falls_with_the_features(alpha, scale):
    logits = torch.tensor([[2.0, 1.0, -1.0]], dtype=torch.float64)
    target, features = torch.tensor([1]), torch.tensor([[3.0, -1.0]], dtype=torch.float64)
    base = influence_balanced_loss(logits, target, features, ONES, alpha=1.0, epsilon=1e-12)
    found = influence_balanced_loss(
        logits, target, scale * features, ONES, alpha=alpha, epsilon=1e-12
    )
    assert found.item() == pytest.approx(base.item() * alpha / scale, rel=1e-6)


@pytest.mark.parametrize(("p", "value"), [(0.9, 0.526803), (0.99, 0.502517)])
def test_certain_samples_go_on_counting(p, value):
    logits = torch.tensor([[p, 1 - p]], dtype=torch.float64).log()
    features = torch.ones(1, 1, dtype=torch.float64)
    loss = influence_balanced_loss(
        logits, torch.tensor([0]), features, ONES[:2], alpha=1.0, epsilon=1e-12
    )
    assert loss.item() == pytest.approx(value, abs=DIGITS)


def test_loss_of_a_sample_certain_beyond_the_guard_vanishes():
    logits = torch.tensor([[30.0, 0.0]], dtype=torch.float64)
    features = torch.ones(1, 1, dtype=torch.float64)
    loss = influence_balanced_loss(logits, torch.tensor([0]), features, ONES[:2], alpha=1.0)
    assert 0 < loss.item() < 1e-9


def test_detached_factor_scales_the_gradient_of_cross_entropy(logits, target, features, weights):
    logits.requires_grad_()
    attached = influence_balanced_loss(logits, target, features, weights, alpha=1.0)
    detached = influence_balanced_loss(logits, target, features, weights, alpha=1.0, detach=True)
    assert attached.item() == detached.item()
    (through,) = torch.autograd.grad(attached, logits)
    (around,) = torch.autograd.grad(detached, logits)
    residual = logits.detach().softmax(1) - torch.eye(3, dtype=torch.float64)[target]
    factor = torch.tensor([[0.484659], [1.152886]], dtype=torch.float64)
    expected = weights[target][:, None] * factor * residual / 2
    assert torch.allclose(around, expected, atol=DIGITS)
    assert not torch.allclose(through, around, rtol=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("size", [0.0, 1e4, -1e4])
@pytest.mark.parametrize("feature", [0.0, 1.0, 1e4])
def test_extremes_stay_finite(dtype, detach, size, feature):
    logits = torch.tensor([[size, -size], [size, -size]], dtype=dtype, requires_grad=True)
    features = torch.full((2, 4), feature, dtype=dtype, requires_grad=True)
    weights = inverse_frequency_weights(torch.tensor([10**6, 1]), gamma=1.0)
    loss = influence_balanced_loss(
        logits, torch.tensor([0, 1]), features, weights, alpha=1000.0, detach=detach
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert features.grad is None or torch.isfinite(features.grad).all()
