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


def test_encoder_has_the_gradient_of_the_formula_and_the_head_that_of_cross_entropy():
    found = ready("contrast_to_ce", augmentation="none")
    batch, method, network = batch_of(found), found.method, found.network
    method.share = 0.9
    encoder, head = list(network.encoders.parameters()), list(network.head.parameters())

    def gradients(value, parameters):
        return torch.autograd.grad(value, parameters, retain_graph=True)

    embeddings = network.encode(batch)
    contrast = supcon_loss(method.project(embeddings).repeat(2, 1), batch.labels, temperature=0.1)
    classification = cross_entropy(network.head(embeddings), batch.labels)
    loss = method.training_step(network, batch)
    formula = 0.9 * contrast + 0.1 * classification
    for got, expected in zip(gradients(loss, encoder), gradients(formula, encoder), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)
    whole = gradients(classification, head)
    for got, expected in zip(gradients(loss, head), whole, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("balanced", [False, True])
def test_weight_decay_does_not_take_the_head_to_0_while_contrast_has_most_of_the_weight(balanced):
    found = ready("contrast_to_ce", balanced=balanced)
    method, network = found.method, found.network
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, weight_decay=0.0002)
    before = network.head.classifier.weight.abs().mean().item()
    for share in (1.0, 0.999):
        method.share = share
        for _ in range(100):
            optimizer.zero_grad()
            method.training_step(network, batch_of(found)).backward()
            optimizer.step()
    assert network.head.classifier.weight.abs().mean().item() > 0.5 * before


def test_first_epoch_leaves_the_head_alone_and_is_not_selected():
    found = ready("contrast_to_ce", epoch=1)
    found.method.training_step(found.network, batch_of(found)).backward()
    assert all(p.grad is None for p in found.network.head.parameters())
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
