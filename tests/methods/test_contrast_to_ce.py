from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.errors import TrainingError
from bench.methods.contrast_to_ce import contrast_share
from bench.methods.losses.balanced_softmax import balanced_softmax_loss, log_prior
from bench.methods.losses.supcon import supcon_loss
from tests.methods.contrastive_trials import LONG_TAIL, batch_of, ready, train_watched
from tests.methods.trials import trial


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ("parabolic", [1, 0.75, 0.065556]),
        ("linear", [1, 0.5, 0.033333]),
        ("cosine", [1, 0.5, 0.002739]),
    ],
)
def test_worked_numbers(curve, expected):
    found = [contrast_share(curve, epoch, 30) for epoch in (1, 16, 30)]
    assert found == pytest.approx(expected, abs=5.1e-7)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("balanced", [False, True])
def test_loss_is_linear_between_contrast_and_cross_entropy(share, balanced):
    found = ready("contrast_to_ce", augmentation="none", balanced=balanced)
    batch, method, network = batch_of(found), found.method, found.network
    method.share = share
    embeddings = network.encode(batch)
    logits = network.head(embeddings)
    contrast = supcon_loss(method.project(embeddings).repeat(2, 1), batch.labels, temperature=0.1)
    classification = cross_entropy(logits, batch.labels)
    if balanced:
        prior = log_prior(torch.tensor([60, 30, 12]))
        classification = balanced_softmax_loss(logits, batch.labels, prior)
    expected = share * contrast + (1 - share) * classification
    loss = method.training_step(network, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_first_epoch_gives_the_head_no_gradient_and_is_not_selected():
    found = ready("contrast_to_ce", epoch=1)
    found.method.training_step(found.network, batch_of(found)).backward()
    assert all((p.grad == 0).all() for p in found.network.head.parameters())
    assert any((p.grad != 0).any() for p in found.network.encoders.parameters())
    assert [found.method.selectable(epoch) for epoch in (1, 2)] == [False, True]
    with pytest.raises(TrainingError, match="selectable epoch"):
        train_watched(trial("contrast_to_ce", replace(LONG_TAIL, epochs=1)))


def test_shares_fall_epoch_by_epoch():
    found = trial("contrast_to_ce", replace(LONG_TAIL, epochs=4))
    shares = []
    for epoch in range(1, 5):
        found.method.begin_epoch(epoch, found.network)
        shares.append(found.method.share)
    assert shares == pytest.approx([1, 15 / 16, 3 / 4, 7 / 16])
