import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from bench.methods.losses.asl import asymmetric_sigmoid_loss, asymmetric_softmax_loss
from bench.methods.losses.focal import softmax_focal_loss

DIGITS = 5.1e-7

PUBLISHED_SOFTMAX = {"gamma_positive": 0.0, "gamma_negative": 4.0, "epsilon": 0.1}
PUBLISHED_SIGMOID = {"gamma_positive": 1.0, "gamma_negative": 4.0, "clip": 0.05}
BINARY = {"gamma_positive": 0.0, "gamma_negative": 0.0, "clip": 0.0}


@pytest.mark.parametrize(
    ("loss", "settings", "expected"),
    [
        (asymmetric_softmax_loss, PUBLISHED_SOFTMAX, [0.325949, 1.195978, 0.760963]),
        (asymmetric_sigmoid_loss, PUBLISHED_SIGMOID, [0.261558, 0.440598, 0.351078]),
        (asymmetric_sigmoid_loss, BINARY, [1.753451, 2.416613]),
    ],
)
def test_worked_numbers(logits, target, loss, settings, expected):
    found = [loss(logits[i : i + 1], target[i : i + 1], **settings).item() for i in range(2)]
    found.append(loss(logits, target, **settings).item())
    assert found[: len(expected)] == pytest.approx(expected, abs=DIGITS)


def softmax_by_loops(values, label, gamma_positive, gamma_negative, epsilon):
    exponentials = [math.exp(z) for z in values]
    total = 0.0
    for k, exponential in enumerate(exponentials):
        p = exponential / sum(exponentials)
        share = epsilon / len(values) + (1 - epsilon if k == label else 0)
        weight = (1 - p) ** gamma_positive if k == label else p**gamma_negative
        total -= share * weight * math.log(p)
    return total


def sigmoid_by_loops(values, label, gamma_positive, gamma_negative, clip):
    total = 0.0
    for k, z in enumerate(values):
        s = 1 / (1 + math.exp(-z))
        q = min(1 - s + clip, 1)
        if k == label:
            total -= (1 - s) ** gamma_positive * math.log(max(s, 1e-8))
        else:
            total -= (1 - q) ** gamma_negative * math.log(max(q, 1e-8))
    return total


values = st.lists(st.floats(-30, 30), min_size=3, max_size=3)
exponents = st.floats(0, 5)


@given(values, st.integers(0, 2), exponents, exponents, st.floats(0, 1))
def test_softmax_form_equals_the_definition(logits, label, positive, negative, epsilon):
    found = asymmetric_softmax_loss(
        torch.tensor([logits], dtype=torch.float64),
        torch.tensor([label]),
        gamma_positive=positive,
        gamma_negative=negative,
        epsilon=epsilon,
    )
    expected = softmax_by_loops(logits, label, positive, negative, epsilon)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(values, st.integers(0, 2), exponents, exponents, st.floats(0, 0.9))
def test_sigmoid_form_equals_the_definition(logits, label, positive, negative, clip):
    found = asymmetric_sigmoid_loss(
        torch.tensor([logits], dtype=torch.float64),
        torch.tensor([label]),
        gamma_positive=positive,
        gamma_negative=negative,
        clip=clip,
    )
    expected = sigmoid_by_loops(logits, label, positive, negative, clip)
    assert found.item() == pytest.approx(expected, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_hard_labels_under_softmax_are_the_focal_loss(logits, target, gamma):
    found = asymmetric_softmax_loss(
        logits, target, gamma_positive=gamma, gamma_negative=4.0, epsilon=0.0
    )
    expected = softmax_focal_loss(logits, target, gamma=gamma)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_without_exponents_softmax_is_smoothed_cross_entropy(logits, target, epsilon):
    found = asymmetric_softmax_loss(
        logits, target, gamma_positive=0.0, gamma_negative=0.0, epsilon=epsilon
    )
    expected = cross_entropy(logits, target, label_smoothing=epsilon)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_published_softmax_form_is_nearly_cross_entropy(logits, target):
    log_p = logits.log_softmax(dim=1)
    others = 1 - one_hot(target, 3)
    rest = (others * log_p.exp() ** 4 * -log_p).sum(dim=1).mean()
    expected = (0.9 + 0.1 / 3) * cross_entropy(logits, target) + 0.1 / 3 * rest
    found = asymmetric_softmax_loss(logits, target, **PUBLISHED_SOFTMAX)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    assert 0.1 / 3 * rest < 0.001


def test_without_exponents_and_clip_sigmoids_are_binary_cross_entropies(logits, target):
    labels = one_hot(target, 3).double()
    expected = binary_cross_entropy_with_logits(logits, labels, reduction="sum") / 2
    found = asymmetric_sigmoid_loss(logits, target, **BINARY)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_factors_have_gradient_under_softmax_alone(logits, target):
    inputs = logits.clone().requires_grad_()
    asymmetric_sigmoid_loss(inputs, target, **PUBLISHED_SIGMOID).backward()
    s = logits.sigmoid()
    own = one_hot(target, 3).bool()
    q = (1 - s + 0.05).clamp_max(1)
    # The derivative of the logarithms alone, times the factors.
    slope = torch.where(own, -(1 - s) * (1 - s), (1 - q) ** 4 * s * (1 - s) / q) / 2
    assert torch.allclose(inputs.grad, slope, rtol=1e-10)

    inputs = logits.clone().requires_grad_()
    asymmetric_softmax_loss(
        inputs, target, gamma_positive=2.0, gamma_negative=0.0, epsilon=0.0
    ).backward()
    p = logits.softmax(dim=1)[own]
    slope = (2 * p * (1 - p) ** 2 * p.log() - (1 - p) ** 3) / 2
    assert torch.allclose(inputs.grad[own], slope, rtol=1e-10)


def test_negatives_below_the_clip_do_not_count():
    logits = torch.tensor([[0.0, -4.0]], dtype=torch.float64, requires_grad=True)
    asymmetric_sigmoid_loss(logits, torch.tensor([0]), **PUBLISHED_SIGMOID).backward()
    assert logits.grad[0, 1] == 0
    assert logits.grad[0, 0] < 0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extremes_stay_finite(gamma, dtype):
    for loss, name in ((asymmetric_softmax_loss, "epsilon"), (asymmetric_sigmoid_loss, "clip")):
        logits = torch.tensor([[1e4, 0.0], [-1e4, 1e4]], dtype=dtype, requires_grad=True)
        value = loss(
            logits, torch.tensor([0, 0]), gamma_positive=gamma, gamma_negative=gamma, **{name: 0.1}
        )
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()
