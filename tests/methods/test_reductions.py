"""Rows without what makes them one are plain training, or balanced softmax, to every gradient."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.methods.losses.balanced_softmax import balanced_softmax_loss, log_prior
from tests.methods.contrastive_trials import LONG_TAIL, batch_of, ready

ALONE = {"base": "cross_entropy", "experts": 1}
PLAIN = {
    "ride": {**ALONE, "diversity": 0.7},
    "tlc": {**ALONE, "evidence": 0.0, "diversity": 0.3, "engage": 0.0},
    "rf_dlc": ALONE,
    "imbsam": {"rho": 0.0},
    "imbsam of no tail": {"eta": 0.0},
    "asl": {"form": "softmax", "gamma_positive": 0.0, "gamma_negative": 0.0, "epsilon": 0.0},
    "score": {"weight": 0.0},
    "contrast_to_ce": {},
}
BALANCED = {"gml": {"weight": 0.0}, "contrast_to_ce": {"balanced": True}}


@pytest.mark.parametrize(
    ("case", "options", "balanced"),
    [(case, options, False) for case, options in PLAIN.items()]
    + [(case, options, True) for case, options in BALANCED.items()],
)
def test_rows_without_what_makes_them_one(case, options, balanced):
    name = case.partition(" ")[0]
    # Late weights of experts begin later, and what the contrast weighs is set by hand.
    found = ready(name, epoch=1, **options)
    batch, method, network = batch_of(found), found.method, found.network
    if name == "contrast_to_ce":
        method.share = 0.0
    logits = network(batch)
    assert torch.allclose(method.predict(network, batch), logits)
    expected = cross_entropy(logits, batch.labels)
    if balanced:
        counts = torch.bincount(torch.from_numpy(method.context.labels))
        assert len(counts) == len(LONG_TAIL.counts)
        expected = balanced_softmax_loss(logits, batch.labels, log_prior(counts))
    loss = method.training_step(network, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    parameters = list(network.parameters())
    for own, plain in zip(
        torch.autograd.grad(loss, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(own, plain, rtol=1e-5, atol=1e-7)
