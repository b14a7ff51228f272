import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, one_hot

from bench.methods.losses.mixup import draw_mixing, mix, mixup_loss

DIGITS = 5e-7


@pytest.mark.parametrize(("lam", "value"), [(1.0, 0.407606), (0.3, 1.807606), (0.0, 2.407606)])
def test_worked_numbers(lam, value):
    logits = torch.tensor([[1.0, 0.0, -1.0]], dtype=torch.float64)
    loss = mixup_loss(logits, torch.tensor([0]), torch.tensor([2]), lam)
    assert loss.item() == pytest.approx(value, abs=DIGITS)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_equals_cross_entropy_to_mixed_labels(shares):
    logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]], dtype=torch.float64)
    target, partner = torch.tensor([0, 2]), torch.tensor([2, 1])
    share = torch.tensor(shares, dtype=torch.float64)
    soft = share[:, None] * one_hot(target, 3) + (1 - share[:, None]) * one_hot(partner, 3)
    found = mixup_loss(logits, target, partner, share)
    assert found.item() == pytest.approx(cross_entropy(logits, soft).item())


def test_halves_are_symmetric_and_a_partner_of_the_same_label_changes_nothing(logits, target):
    partner = torch.tensor([2, 1])
    halves = [mixup_loss(logits, *pair, 0.5) for pair in ((target, partner), (partner, target))]
    assert halves[0].item() == pytest.approx(halves[1].item())
    alone = mixup_loss(logits, target, target, 0.3)
    assert alone.item() == pytest.approx(cross_entropy(logits, target).item())


def test_each_sample_has_its_own_label_share(logits, target):
    partner = torch.tensor([1, 0])
    found = mixup_loss(logits, target, partner, torch.tensor([1.0, 0.0], dtype=torch.float64))
    expected = cross_entropy(logits, torch.tensor([0, 0]))
    assert found.item() == pytest.approx(expected.item())


def test_mixes_each_row_with_its_partner():
    values = torch.arange(6.0).reshape(3, 2)
    partners = torch.tensor([2, 0, 1])
    assert torch.equal(mix(values, partners, 1.0), values)
    assert torch.equal(mix(values, partners, 0.0), values[partners])
    expected = [[0.25 * a + 0.75 * b for a, b in zip(values[i], values[j], strict=True)]
                for i, j in enumerate([2, 0, 1])]  # fmt: skip
    assert torch.allclose(mix(values, partners, 0.25), torch.tensor(expected))


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_without_alpha_nothing_is_mixed(alpha):
    assert draw_mixing(np.random.default_rng(0), alpha=alpha, batch_size=4)[0] == 1.0


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_shares_have_the_mean_and_variance_of_the_beta_distribution(alpha):
    rng = np.random.default_rng(0)
    shares = [draw_mixing(rng, alpha=alpha, batch_size=1)[0] for _ in range(4000)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_partners_are_a_permutation(batch_size):
    _, partners = draw_mixing(np.random.default_rng(0), alpha=1.0, batch_size=batch_size)
    assert sorted(partners) == list(range(batch_size))


def test_shares_of_another_precision_leave_that_of_the_logits():
    shares = torch.tensor([0.3], dtype=torch.float64)
    assert mixup_loss(torch.zeros(1, 2), torch.tensor([0]), torch.tensor([1]), shares).dtype == (
        torch.float32
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e4, -1e4])
def test_extremes_stay_finite(dtype, size):
    logits = torch.tensor([[size, -size]], dtype=dtype, requires_grad=True)
    loss = mixup_loss(logits, torch.tensor([0]), torch.tensor([1]), 0.3)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
