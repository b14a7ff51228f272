import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.methods.imbsam import ImbSAM
from bench.methods.vanilla import Vanilla
from tests.methods.toy_run import on_counts, toy_run


def gradients(run, loss):
    parameters = [p for p in run.network.parameters() if p.requires_grad]
    return torch.autograd.grad(loss, parameters)


def by_hand(run, batch, *, rho, ratio):
    """Gradient of the head's loss here and of the tail's after the weights have been moved."""

    def tail_loss():
        losses = cross_entropy(run.network(batch), batch.labels, reduction="none")
        return losses[batch.labels != 0].sum() / len(batch)

    losses = cross_entropy(run.network(batch), batch.labels, reduction="none")
    of_head = gradients(run, losses[batch.labels == 0].sum() / len(batch))
    of_tail = gradients(run, tail_loss())
    norm = torch.cat([g.flatten() for g in of_tail]).norm()
    with torch.no_grad():
        for parameter, g in zip(run.network.parameters(), of_tail, strict=True):
            parameter.add_(rho * g / norm)
    there = gradients(run, tail_loss())
    return [h + ratio * t for h, t in zip(of_head, there, strict=True)]


@pytest.mark.parametrize(("rho", "ratio"), [(0.05, 1.0), (0.5, 2.0)])
def test_a_step_by_hand(rho, ratio):
    run = toy_run(ImbSAM, rho=rho, ratio=ratio)
    assert run.method.tail.tolist() == [False, True, True]
    batch = run.batch(16)
    found = gradients(run, run.method.training_step(run.network, batch))
    expected = by_hand(run, batch, rho=rho, ratio=ratio)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5)


def test_of_equal_classes_none_is_tail_and_training_is_vanillas_to_the_bit():
    runs = [toy_run(cls, counts=(60, 60)) for cls in (ImbSAM, Vanilla)]
    first, second = (run.train().history for run in runs)
    assert [line.train_loss for line in first] == [line.train_loss for line in second]


def test_weights_stay_and_batch_statistics_move_once():
    run, vanilla = toy_run(ImbSAM, rho=0.5), toy_run(Vanilla)
    for one in (run, vanilla):
        one.network.train()
        one.method.training_step(one.network, one.batch(16)).backward()
    expected = vanilla.network.state_dict()
    found = run.network.state_dict()
    assert any("running_mean" in name for name in found)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_no_gradient_is_left_behind_by_looking_at_the_tail():
    run = toy_run(ImbSAM)
    run.method.training_step(run.network, run.batch(16))
    assert all(parameter.grad is None for parameter in run.network.parameters())


def test_the_smaller_of_two_classes_is_tail_whatever_its_size():
    assert on_counts(ImbSAM, (30000, 1100)).tail.tolist() == [False, True]


@pytest.mark.parametrize("labels", [[0] * 6, [1] * 6])
def test_batches_without_tail_or_head_stay_finite(labels):
    run = toy_run(ImbSAM)
    positions = run.split.train[run.method.context.labels == labels[0]][: len(labels)]
    batch = run.collator(positions)
    assert batch.labels.tolist() == labels
    loss = run.method.training_step(run.network, batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(parameter.grad).all() for parameter in run.network.parameters())


def test_a_batch_without_tail_is_cross_entropy():
    run = toy_run(ImbSAM, rho=0.5)
    batch = run.collator(run.split.train[run.method.context.labels == 0][:6])
    found = gradients(run, run.method.training_step(run.network, batch))
    expected = gradients(run, cross_entropy(run.network(batch), batch.labels))
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-7)


def test_learns():
    assert toy_run(ImbSAM, epochs=8).train().best_valid_balanced_accuracy > 0.9
