"""A contrastive method on toy data, before a training step or as a whole training."""

import torch

from bench.conformance.trial import Case, NetworkTrial
from bench.data.batch import Batch
from bench.training.loop import TrainingResult, train
from bench.training.settings import TrainingSettings
from tests.methods.trials import trial

LONG_TAIL = Case(counts=(100, 50, 20), epochs=4)
TWO_CLASSES = Case(counts=(90, 20), epochs=3)


def ready(name, case=LONG_TAIL, *, epoch=None, **options) -> NetworkTrial:
    """A method before the first step of `epoch` (the first after warm-up when None)."""
    found = trial(name, case, **options)
    found.method.initialise(found.network)
    if epoch is None:
        epoch = next(e for e in range(1, case.epochs + 1) if found.method.selectable(e))
    found.method.context.generator.manual_seed(0)
    found.method.begin_epoch(epoch, found.network)
    found.network.train()
    return found


def batch_of(found, size=24) -> Batch:
    return found.collator(found.split.train[:size])


def step_gradients(found) -> dict[str, torch.Tensor]:
    """Gradients of the network's parameters from one training step, zero where there is none."""
    found.method.training_step(found.network, batch_of(found)).backward()
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in found.network.named_parameters()
    }


def train_watched(found, **settings) -> TrainingResult:
    """Train, and return the history."""
    budget = TrainingSettings(epochs=found.case.epochs, batch_size=16, learning_rate=0.01)
    return train(
        found.network, found.method, found.collator, found.split, budget,
        seed=found.case.seed, **settings,
    )  # fmt: skip
