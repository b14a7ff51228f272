"""The rows of several heads on one encoder: ride, tlc, rf_dlc."""

import math

import pytest
import torch

from bench.methods.losses.class_weights import effective_number_weights, inverse_frequency_weights
from bench.methods.losses.ldam import ldam_loss, ldam_margins
from bench.methods.losses.ride import expert_divergences
from bench.methods.losses.tlc import trusted_logits
from bench.methods.rf_dlc import RFDLC
from bench.methods.ride import RIDE
from bench.methods.tlc import TrustworthyLongTailed
from tests.methods.toy_run import on_counts, toy_run

ROWS = [RIDE, TrustworthyLongTailed, RFDLC]
COUNTS = torch.tensor([100, 20, 5])


def started(cls, **options):
    run = toy_run(cls, **options)
    run.method.initialise(run.network)
    run.network.eval()
    return run


@pytest.mark.parametrize("cls", ROWS)
def test_experts_are_heads_with_starts_of_their_own(cls):
    run = started(cls, base="cross_entropy")
    heads = run.method.heads(run.network)
    assert len(heads) == 3
    assert heads[0] is run.network.head
    weights = [head.classifier.weight for head in heads]
    assert not any(torch.equal(weights[a], weights[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    saved = {f"others.{m}.{name}" for m in (0, 1) for name in heads[0].state_dict()}
    assert saved <= set(run.method.state_dict())
    other = started(cls, base="cross_entropy", seed=1)
    assert not torch.equal(weights[1], other.method.others[0].classifier.weight)


@pytest.mark.parametrize("cls", ROWS)
def test_cosine_experts_have_no_bias(cls):
    run = started(cls, base="ldam")
    for head in run.method.heads(run.network):
        assert [name for name, _ in head.classifier.named_parameters()] == ["weight"]
    assert run.method.scores(run.network, run.batch()).abs().max() <= 1 + 1e-6


@pytest.mark.parametrize("cls", ROWS)
def test_margins_are_those_of_the_training_counts_and_none_without_ldam(cls):
    expected = ldam_margins(COUNTS, max_margin=0.5)
    assert torch.equal(on_counts(cls, (100, 20, 5), base="ldam").margins, expected)
    assert not on_counts(cls, (100, 20, 5), base="cross_entropy").margins.any()


def test_late_weights_are_those_of_cb_and_of_rf_dlc_inverse_frequency():
    expected = effective_number_weights(COUNTS, beta=0.9999)
    for cls in (RIDE, TrustworthyLongTailed):
        assert torch.equal(on_counts(cls, (100, 20, 5)).weights, expected)
    expected = inverse_frequency_weights(COUNTS, gamma=1.0)
    assert torch.equal(on_counts(RFDLC, (100, 20, 5)).weights, expected)


@pytest.mark.parametrize("cls", ROWS)
@pytest.mark.parametrize(
    ("start", "epochs", "first"), [(0.8, 30, 25), (0.8, 1, 1), (0.0, 3, 1), (0.99, 4, 4)]
)
def test_only_weighted_epochs_may_be_selected(cls, start, epochs, first):
    method = toy_run(cls, epochs=epochs, start=start).method
    assert [epoch for epoch in range(1, epochs + 1) if method.selectable(epoch)] == list(
        range(first, epochs + 1)
    )


@pytest.mark.parametrize("cls", ROWS)
def test_weights_come_in_late(cls):
    def losses(**options):
        return [line.train_loss for line in toy_run(cls, **options).train().history]

    never, late = losses(start=0.75), losses(start=0.5)
    assert late[:2] == never[:2]
    assert late[2] != never[2]


@pytest.mark.parametrize("weighting", [False, True])
def test_ride_by_the_losses_of_its_experts(weighting):
    run = started(RIDE)
    method, batch = run.method, run.batch()
    method.weighting = weighting
    scores = method.scores(run.network, batch)
    weights = method.weights if weighting else None
    bases = sum(
        ldam_loss(own, batch.labels, method.margins, scale=30.0, weights=weights) for own in scores
    )
    temperatures = method.temperatures if weighting else None
    gain = 0.2 * expert_divergences(30 * scores, temperatures).mean(dim=1).sum()
    found = method.training_step(run.network, batch)
    assert found.item() == pytest.approx((bases - gain).item(), rel=1e-5)


@pytest.mark.parametrize("cls", [RIDE, RFDLC])
@pytest.mark.parametrize("base", ["ldam", "cross_entropy"])
def test_predicts_with_the_mean_of_the_experts(cls, base):
    run = started(cls, base=base)
    batch = run.batch(6)
    embeddings = run.network.encode(batch)
    found = run.method.predict(run.network, batch)
    expected = torch.zeros_like(found)
    for head in run.method.heads(run.network):
        if base == "cross_entropy":
            expected += head(embeddings) / 3
            continue
        hidden, rows = head.hidden(embeddings), head.classifier.weight
        lengths = hidden.norm(dim=1)[:, None] * rows.norm(dim=1)
        expected += 30 * (hidden @ rows.T / lengths) / 3
    assert torch.allclose(found, expected, atol=1e-5)


def test_tlc_predicts_with_experts_by_what_each_sample_needs():
    run = started(TrustworthyLongTailed, eta=0.5)
    scores = 30 * run.method.scores(run.network, run.batch(6))
    found = run.method.predict(run.network, run.batch(6))
    assert torch.equal(found, trusted_logits(scores, eta=0.5))


def test_evidence_for_wrong_classes_costs_more_every_epoch():
    run = started(TrustworthyLongTailed, epochs=10)
    found = []
    for epoch in (1, 5, 10):
        run.method.begin_epoch(epoch, run.network)
        found.append(run.method.evidence)
    assert found == pytest.approx([0.0015, 0.0075, 0.015])


def test_repulsion_falls_to_one_over_e_at_tau():
    run = started(RFDLC, epochs=200)
    found = []
    for epoch in (1, 40, 200):
        run.method.begin_epoch(epoch, run.network)
        found.append(run.method.repulsion)
    assert found == pytest.approx([math.exp(-1 / 40), math.exp(-1), math.exp(-5)])


def test_a_penalty_decides_by_utilities():
    counts, experts = (100, 20, 5), torch.tensor([[[2.0, 1.0, -1.0]], [[1.5, 0.5, -0.5]]])
    plain, costly = (on_counts(RFDLC, counts, penalty=penalty) for penalty in (0.0, 0.5))
    mean = experts.mean(dim=0)
    assert torch.equal(plain.adjust_logits(mean), mean)
    expected = [0.534508, 0.225410, 0.056612]
    assert costly.adjust_logits(mean)[0].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("cls", ROWS)
@pytest.mark.parametrize("base", ["ldam", "cross_entropy"])
@pytest.mark.parametrize("size", [1, 2])
def test_small_batches_and_absent_classes_stay_finite(cls, base, size):
    run = toy_run(cls, counts=(120, 0, 5), start=0.0, base=base)
    run.method.initialise(run.network)
    run.method.begin_epoch(1, run.network)
    loss = run.method.training_step(run.network, run.batch(size))
    loss.backward()
    assert torch.isfinite(loss)
    for parameter in (*run.network.parameters(), *run.method.parameters()):
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize("cls", ROWS)
def test_learns_and_keeps_a_weighted_epoch(cls):
    run = toy_run(cls, epochs=10)
    result = run.train()
    assert result.best_valid_balanced_accuracy > 0.9
    assert result.best_epoch > 8
