import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.class_weights import effective_number_weights
from bench.methods.losses.cross_entropy import weighted_cross_entropy
from bench.methods.losses.focal import softmax_focal_loss

DIGITS = 5e-7


def test_worked_numbers(logits, target):
    each = [
        softmax_focal_loss(logits[i : i + 1], target[i : i + 1], gamma=2.0).item() for i in range(2)
    ]
    assert each == pytest.approx([0.030294, 0.667277], abs=DIGITS)
    means = [softmax_focal_loss(logits, target, gamma=gamma).item() for gamma in (2.0, 0.5)]
    assert means == pytest.approx([0.348785, 0.638569], abs=DIGITS)


def test_two_classes_by_hand():
    logits = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    assert softmax_focal_loss(logits, torch.tensor([0]), gamma=0.0).item() == pytest.approx(
        0.126928, abs=DIGITS
    )
    assert softmax_focal_loss(logits, torch.tensor([0]), gamma=2.0).item() == pytest.approx(
        0.00180356, abs=5e-9
    )


def test_class_balanced_focal_worked_number(counts, logits, target):
    weights = effective_number_weights(counts, beta=0.999)
    loss = softmax_focal_loss(logits, target, gamma=0.5, weights=weights)
    assert loss.item() == pytest.approx(1.262329, abs=DIGITS)


def test_no_focusing_equals_plainly_weighted_cross_entropy(counts, logits, target):
    weights = effective_number_weights(counts, beta=0.999)
    assert softmax_focal_loss(logits, target, gamma=0.0, weights=weights).item() == pytest.approx(
        weighted_cross_entropy(logits, target, weights, reduction="plain").item()
    )


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.floats(0, 5), st.integers(0, 2))
def test_never_above_cross_entropy(values, gamma, label):
    logits, target = torch.tensor([values], dtype=torch.float64), torch.tensor([label])
    focal = softmax_focal_loss(logits, target, gamma=gamma)
    assert focal <= cross_entropy(logits, target) + 1e-12


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_certain_predictions_have_finite_gradients(gamma, dtype):
    logits = torch.tensor([[1e4, 0.0], [-1e4, 1e4]], dtype=dtype, requires_grad=True)
    loss = softmax_focal_loss(logits, torch.tensor([0, 0]), gamma=gamma)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
