import numpy as np
import pytest
import torch

from bench.methods.ldam_drw import LDAM
from bench.methods.losses.class_weights import effective_number_weights
from tests.methods.toy_run import on_counts, toy_run


def train_losses(**options):
    return [line.train_loss for line in toy_run(LDAM, **options).train().history]


def test_predicts_with_scaled_cosines():
    run = toy_run(LDAM, scale=5.0)
    logits = run.test_logits()
    run.network.eval()
    hidden = run.network.head.hidden(run.network.encode(run.collator(run.split.test)))
    for i in range(3):
        for k in range(3):
            w = run.network.head.classifier.weight[k]
            cosine = (hidden[i] @ w / (hidden[i].norm() * w.norm())).item()
            assert logits[i, k] == pytest.approx(5 * cosine, abs=1e-5)
    assert np.abs(logits).max() <= 5 * (1 + 1e-6)


def test_lengths_in_the_last_layer_have_no_part_and_its_bias_is_gone():
    run = toy_run(LDAM)
    run.method.initialise(run.network)
    assert [name for name, _ in run.network.head.classifier.named_parameters()] == ["weight"]
    before = run.test_logits()
    with torch.no_grad():
        run.network.head.classifier.weight.mul_(torch.tensor([[3.0], [0.1], [50.0]]))
    assert run.test_logits() == pytest.approx(before, abs=1e-4)


def test_trains_on_what_it_predicts_with():
    run = toy_run(LDAM, max_margin=0.0)
    run.network.eval()
    batch = run.batch()
    logits = run.method.predict(run.network, batch)
    loss = torch.nn.functional.cross_entropy(logits, batch.labels)
    assert run.method.training_step(run.network, batch).item() == pytest.approx(loss.item())


def test_weights_of_the_class_balanced_loss_come_in_late():
    never, late = train_losses(start=0.75), train_losses(start=0.5)
    assert late[:2] == never[:2]
    assert late[2] != never[2]
    unweighted = train_losses(start=0.5, beta=0.0)
    assert late[:2] == unweighted[:2]
    assert abs(late[2] - unweighted[2]) > 1e-4
    weights = on_counts(LDAM, (100, 20, 5)).weights
    expected = effective_number_weights(torch.tensor([100, 20, 5]), beta=0.9999)
    assert torch.equal(weights, expected)


@pytest.mark.parametrize(
    ("start", "epochs", "first"), [(0.8, 30, 25), (0.8, 1, 1), (0.0, 3, 1), (0.99, 4, 4)]
)
def test_only_weighted_epochs_may_be_selected(start, epochs, first):
    method = toy_run(LDAM, epochs=epochs, start=start).method
    assert [epoch for epoch in range(1, epochs + 1) if method.selectable(epoch)] == list(
        range(first, epochs + 1)
    )


def test_margins_of_the_training_counts():
    margins = on_counts(LDAM, (1000, 10)).margins
    assert margins.tolist() == pytest.approx([0.158114, 0.5], abs=5e-7)


@pytest.mark.parametrize("size", [1, 2])
def test_small_batches_and_absent_classes_stay_finite(size):
    run = toy_run(LDAM, counts=(120, 0, 5), start=0.0)
    loss = run.method.training_step(run.network, run.batch(size))
    loss.backward()
    assert torch.isfinite(loss)


def test_learns_and_keeps_a_weighted_epoch():
    run = toy_run(LDAM, epochs=10)
    result = run.train()
    assert result.best_valid_balanced_accuracy > 0.9
    assert result.best_epoch > 8
