import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import cross_entropy

from bench.method import Method
from bench.methods.ib import InfluenceBalanced
from tests.methods.toy_run import on_counts, toy_run


def train_losses(method_type, **options):
    return [line.train_loss for line in toy_run(method_type, **options).train().history]


def test_is_vanilla_for_the_first_half_and_another_loss_after():
    vanilla, found = train_losses(Method), train_losses(InfluenceBalanced)
    assert found[:2] == vanilla[:2]
    assert abs(found[2] - vanilla[2]) > 0.01


@pytest.mark.parametrize(
    ("start", "epochs", "first"), [(0.5, 30, 16), (0.5, 1, 1), (0.0, 3, 1), (0.99, 4, 4)]
)
def test_balances_and_may_be_selected_from_the_start_on(start, epochs, first):
    method = toy_run(InfluenceBalanced, epochs=epochs, start=start).method
    assert [epoch for epoch in range(1, epochs + 1) if method.selectable(epoch)] == list(
        range(first, epochs + 1)
    )


def test_takes_the_norm_of_what_enters_the_last_linear_layer():
    run = toy_run(InfluenceBalanced, start=0.0, alpha=1.0)
    run.network.eval()
    batch = run.batch(8)
    weights = {}
    for label, count in enumerate([72, 36, 18]):
        weights[label] = 3 / count / (1 / 72 + 1 / 36 + 1 / 18)
    expected = 0.0
    for i, label in enumerate(batch.labels.tolist()):
        logits = run.network(run.collator(run.split.train[i : i + 1]))
        loss = cross_entropy(logits, batch.labels[i : i + 1])
        (gradient,) = torch.autograd.grad(loss, run.network.head.classifier.weight)
        expected += weights[label] * loss.item() / (gradient.abs().sum().item() + 1e-3) / 8
    assert run.method.training_step(run.network, batch).item() == pytest.approx(expected, rel=1e-4)


def test_class_weights_have_mean_one_over_the_classes_present():
    weights = on_counts(InfluenceBalanced, (100, 20, 5)).weights
    assert weights.tolist() == pytest.approx([0.115385, 0.576923, 2.307692], abs=5e-7)
    assert on_counts(InfluenceBalanced, (9, 0, 9)).weights.tolist() == [1, 0, 1]


def test_alpha_scales_the_loss_and_detaching_changes_the_gradient_only():
    plain = toy_run(InfluenceBalanced, start=0.0, alpha=1.0, detach=False)
    scaled = toy_run(InfluenceBalanced, start=0.0, alpha=1000.0, detach=False)
    detached = toy_run(InfluenceBalanced, start=0.0, alpha=1.0, detach=True)
    losses, gradients = [], []
    for run in (plain, scaled, detached):
        loss = run.method.training_step(run.network, run.batch())
        loss.backward()
        losses.append(loss.item())
        gradients.append(run.network.head.classifier.weight.grad)
    assert losses[1] == pytest.approx(1000 * losses[0], rel=1e-5)
    assert losses[2] == losses[0]
    assert torch.allclose(gradients[1], 1000 * gradients[0], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(gradients[2], gradients[0], rtol=0.1)


def test_learns_and_keeps_a_balanced_epoch():
    run = toy_run(InfluenceBalanced, epochs=10)
    result = run.train()
    assert result.best_valid_balanced_accuracy > 0.9
    assert result.best_epoch > 5


def test_start_must_leave_an_epoch():
    with pytest.raises(ValidationError):
        on_counts(InfluenceBalanced, (3, 2), start=1.0)
