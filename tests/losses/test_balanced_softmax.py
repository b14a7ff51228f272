import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.methods.losses.balanced_softmax import balanced_softmax_loss, log_prior

DIGITS = 5e-7


def test_worked_numbers(counts, logits, target):
    prior = log_prior(counts)
    each = [
        balanced_softmax_loss(logits[i : i + 1], target[i : i + 1], prior).item() for i in range(2)
    ]
    assert each == pytest.approx([0.073311, 3.562669], abs=DIGITS)
    assert balanced_softmax_loss(logits, target, prior).item() == pytest.approx(
        1.817990, abs=DIGITS
    )


def test_equal_logits_under_90_to_10():
    prior = log_prior(torch.tensor([90, 10]))
    losses = [
        balanced_softmax_loss(torch.zeros(1, 2), torch.tensor([label]), prior).item()
        for label in (1, 0)
    ]
    assert losses == pytest.approx([2.302585, 0.105361], abs=DIGITS)


def test_uniform_counts_give_cross_entropy(logits, target):
    loss = balanced_softmax_loss(logits, target, log_prior(torch.tensor([9, 9, 9])))
    assert loss.item() == pytest.approx(cross_entropy(logits, target).item())


def test_scaling_all_counts_changes_nothing(counts, logits, target):
    losses = [balanced_softmax_loss(logits, target, log_prior(k * counts)).item() for k in (1, 17)]
    assert losses[0] == pytest.approx(losses[1])


@pytest.mark.parametrize(
    ("counts", "shift"),
    [((27779, 1010), 3.314330), ((21902, 596), 3.604093), ((10591, 161), 4.186355)],
)
def test_shift_between_largest_and_smallest_class_of_the_real_sets(counts, shift):
    prior = log_prior(torch.tensor(counts))
    assert (prior[0] - prior[1]).item() == pytest.approx(shift, abs=DIGITS)


def test_class_without_training_samples_stays_finite(logits):
    logits.requires_grad_()
    loss = balanced_softmax_loss(logits, torch.tensor([0, 2]), log_prior(torch.tensor([9, 1, 0])))
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e4, -1e4])
def test_extreme_logits_and_counts_stay_finite(dtype, size):
    logits = torch.tensor([[size, -size], [-size, size]], dtype=dtype, requires_grad=True)
    loss = balanced_softmax_loss(logits, torch.tensor([0, 1]), log_prior(torch.tensor([10**6, 1])))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_a_class_without_training_samples_has_a_prior_of_1e_12():
    prior = log_prior(torch.tensor([10, 0]))
    assert prior.tolist() == pytest.approx([0, math.log(1e-12)], abs=DIGITS)
