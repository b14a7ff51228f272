import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.methods.losses.balanced_softmax import balanced_softmax_loss, log_prior
from bench.methods.losses.cdt import cdt_loss, class_temperatures
from bench.methods.losses.vs import vs_loss


def test_plain_reference(counts, logits, target):
    expected = 0.0
    for i, label in enumerate(target.tolist()):
        scores = [
            z * (n / 100) ** 0.3 + 1.2 * math.log(n / 125)
            for z, n in zip(logits[i].tolist(), counts.tolist(), strict=True)
        ]
        expected += (math.log(sum(map(math.exp, scores))) - scores[label]) / 2
    found = vs_loss(
        logits, target, class_temperatures(counts, gamma=0.3), log_prior(counts), tau=1.2
    )
    assert found.item() == pytest.approx(expected)


def test_holds_its_relatives(counts, logits, target):
    flat, warm = (class_temperatures(counts, gamma=gamma) for gamma in (0.0, 0.2))
    prior = log_prior(counts)
    balanced = balanced_softmax_loss(logits, target, prior)
    assert vs_loss(logits, target, flat, prior, tau=1.0).item() == pytest.approx(balanced.item())
    tempered = cdt_loss(logits, target, warm)
    assert vs_loss(logits, target, warm, prior, tau=0.0).item() == pytest.approx(tempered.item())
    plain = cross_entropy(logits, target)
    assert vs_loss(logits, target, flat, prior, tau=0.0).item() == pytest.approx(plain.item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e4, -1e4])
def test_extremes_stay_finite(dtype, size):
    logits = torch.tensor([[size, -size, 0], [-size, size, 0]], dtype=dtype, requires_grad=True)
    counts = torch.tensor([10**6, 1, 0])
    loss = vs_loss(
        logits,
        torch.tensor([0, 1]),
        class_temperatures(counts, gamma=0.3),
        log_prior(counts),
        tau=1.0,
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
