import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.ldam import cosine_similarities, ldam_loss, ldam_margins

DIGITS = 5e-7


@pytest.fixture
def cosines():
    return torch.tensor([[0.6, 0.2, -0.1], [0.1, 0.3, 0.4]], dtype=torch.float64)


def test_worked_margins(counts):
    margins = ldam_margins(counts, max_margin=0.5)
    assert margins.tolist() == pytest.approx([0.236435, 0.353553, 0.5], abs=DIGITS)
    margins = ldam_margins(torch.tensor([1000, 10]), max_margin=0.5)
    assert margins.tolist() == pytest.approx([0.158114, 0.5], abs=DIGITS)


@pytest.mark.parametrize(
    ("scale", "losses", "mean"),
    [(30.0, [0.007369, 12.002482], 6.004925), (1.0, [0.907512, 1.311901], None)],
)
def test_worked_losses(counts, cosines, target, scale, losses, mean):
    margins = ldam_margins(counts, max_margin=0.5)
    each = [
        ldam_loss(cosines[i : i + 1], target[i : i + 1], margins, scale=scale).item()
        for i in range(2)
    ]
    assert each == pytest.approx(losses, abs=DIGITS)
    if mean is not None:
        loss = ldam_loss(cosines, target, margins, scale=scale)
        assert loss.item() == pytest.approx(mean, abs=DIGITS)


def test_a_rare_label_that_does_not_win():
    margins = ldam_margins(torch.tensor([1000, 10]), max_margin=0.5)
    cosines = torch.tensor([[0.6, 0.4]], dtype=torch.float64)
    loss = ldam_loss(cosines, torch.tensor([1]), margins, scale=30.0)
    assert loss.item() == pytest.approx(21.0, abs=1e-6)


def test_no_margin_and_no_scale_give_cross_entropy(counts, logits, target):
    loss = ldam_loss(logits, target, ldam_margins(counts, max_margin=0.0), scale=1.0)
    assert loss.item() == pytest.approx(cross_entropy(logits, target).item())


def test_weights_are_averaged_over(counts, cosines, target):
    margins = ldam_margins(counts, max_margin=0.5)
    weights = torch.tensor([0.2, 0.8, 3.0])
    total = weight = 0.0
    for i, label in enumerate(target.tolist()):
        scores = [30 * c for c in cosines[i].tolist()]
        scores[label] -= 30 * margins[label].item()
        loss = math.log(sum(math.exp(score) for score in scores)) - scores[label]
        total, weight = total + weights[label].item() * loss, weight + weights[label].item()
    found = ldam_loss(cosines, target, margins, scale=30.0, weights=weights)
    assert found.item() == pytest.approx(total / weight)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=12).filter(any), st.floats(0, 2))
def test_margins_fall_with_the_count_and_end_at_the_largest(counts, max_margin):
    counts = torch.tensor(counts)
    margins = ldam_margins(counts, max_margin=max_margin)
    present = counts > 0
    assert (margins[~present] == 0).all()
    assert margins.max().item() == max_margin
    assert (margins[present][counts[present].argsort()].diff() <= 0).all()


def test_equal_counts_have_equal_margins():
    assert ldam_margins(torch.tensor([7, 7, 7]), max_margin=0.5).tolist() == [0.5, 0.5, 0.5]


def test_cosines_do_not_depend_on_lengths():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    found = cosine_similarities(features, weight)
    for i in range(5):
        for k in range(3):
            product = float(features[i] @ weight[k] / (features[i].norm() * weight[k].norm()))
            assert found[i, k].item() == pytest.approx(product)
    assert torch.allclose(cosine_similarities(7 * features, weight / 9), found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_extremes_stay_finite(dtype, size):
    features = torch.full((2, 4), size, dtype=dtype, requires_grad=True)
    weight = torch.tensor([[1.0] * 4, [-1.0] * 4, [0.0] * 4], dtype=dtype, requires_grad=True)
    margins = ldam_margins(torch.tensor([10**6, 1, 0]), max_margin=0.5)
    cosines = cosine_similarities(features, weight)
    loss = ldam_loss(cosines, torch.tensor([0, 1]), margins, scale=30.0, weights=torch.ones(3))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(weight.grad).all()
