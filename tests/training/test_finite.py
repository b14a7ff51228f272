"""Losses are looked at once an epoch where a look would wait for a device."""

import functools

import pytest
import torch

from bench.errors import TrainingError
from bench.method import Method
from bench.training import loop
from bench.training.finite import Losses
from tests.methods.toy_run import toy_run

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def refuse(*_):
    raise AssertionError("a number was asked for")


def test_off_the_cpu_no_step_asks_for_its_loss(monkeypatch):
    losses = Losses({}, 3, CUDA)
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "item", refuse)
        losses.add(torch.tensor(0.5))
        losses.add(torch.tensor(0.25, requires_grad=True))
    assert losses.numbers() == [0.5, 0.25]


def test_off_the_cpu_the_first_step_that_went_wrong_is_named_at_the_epochs_end():
    losses = Losses({"w": torch.tensor([torch.nan])}, 3, CUDA)
    for loss in (0.5, torch.inf, torch.nan):
        losses.add(torch.tensor(loss))
    with pytest.raises(TrainingError, match=r"got inf at epoch 3 step 2\. Lower"):
        losses.numbers()


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_an_epoch_without_a_step_has_no_losses(device):
    assert Losses({}, 1, device).numbers() == []


def test_on_the_cpu_a_loss_is_refused_at_its_step():
    losses = Losses({"w": torch.tensor([torch.nan])}, 3, CPU)
    losses.add(torch.tensor(0.5))
    with pytest.raises(TrainingError, match="got nan at epoch 3 step 2, where w were not finite"):
        losses.add(torch.tensor(torch.nan))


class Breaks(Method):
    """The third loss of seven an epoch is not a number."""

    steps = 0

    def loss(self, logits, labels):
        self.steps += 1
        return super().loss(logits, labels) + (torch.nan if self.steps == 3 else 0)


@pytest.mark.parametrize(("device", "steps"), [(CPU, 3), (CUDA, 7)])
def test_the_loop_names_the_step_whenever_it_looks(monkeypatch, device, steps):
    monkeypatch.setattr(loop, "Losses", lambda trained, epoch, _: Losses(trained, epoch, device))
    run = toy_run(Breaks, epochs=2)
    with pytest.raises(TrainingError, match="got nan at epoch 1 step 3"):
        run.train()
    assert run.method.steps == steps


def test_losses_that_were_looked_at_late_are_the_same():
    reports = []
    for device in (CPU, CUDA):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "Losses", functools.partial(_late, device))
            reports.append([r.train_loss for r in toy_run(Method, epochs=2).train().history])
    assert reports[0] == reports[1]


def _late(device, trained, epoch, _):
    return Losses(trained, epoch, device)
