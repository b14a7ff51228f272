"""A run of a method, to be timed step by step or epoch by epoch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.data.batch import Batch
from bench.method import METHODS
from bench.models.gcn import GCNOptions
from bench.perf.workload import Workload
from bench.spec import check_options, parse_spec
from bench.training.kinds import NetworkRun, begin
from bench.training.optimiser import make_optimiser
from bench.training.settings import TrainingSettings
from bench.training.stages import TrainedPart

CPU = torch.device("cpu")


def begin_run(
    workload: Workload,
    method: str,
    training: TrainingSettings | None = None,
    device: torch.device = CPU,
) -> NetworkRun:
    """A run with seed 0, not trained yet.

    Parameters
    ----------
    workload : Workload
    method : str
        NAME or NAME[key=value], of a method with a network of its own.
    training : TrainingSettings, optional
        The benchmark's budget when None.
    device : torch.device
    """
    spec = parse_spec(method)
    cls = METHODS.get(spec.name).cls
    run = begin(
        workload.prepared,
        workload.split,
        cls,
        check_options(cls.options_type, spec, "method"),
        backbones={"molecule": ("gcn", GCNOptions())},
        training=training or TrainingSettings(),
        seed=0,
        device=device,
        runs={},
    )
    assert isinstance(run, NetworkRun)
    return run


class MethodSteps:
    """Steps of a run's first epoch, part by part, as the training loop takes them.

    Parameters
    ----------
    run : NetworkRun
        Just begun, of a method with one stage.
    """

    def __init__(self, run: NetworkRun) -> None:
        self.method, self._network, self._collator = run.method, run.network, run.collator
        self._device = next(run.network.parameters()).device
        self.method.initialise(self._network)
        (stage,) = self.method.stages()
        self.method.begin_stage(0, self._network)
        part = TrainedPart(self._network, self.method, stage)
        self._optimiser = make_optimiser(part.parameters(), TrainingSettings())
        self.method.begin_epoch(1, self._network)
        part.train_mode()

    def batch(self, positions: np.ndarray) -> Batch:
        """The samples at `positions`, (B,), where the network is, as an epoch of one batch."""
        (batch,) = self.method.prepare_epoch(1, self._collator.epoch([positions]))
        return batch

    def loss(self, batch: Batch) -> Tensor:
        """Loss of `batch`, with a graph to go back through."""
        return self.method.training_step(self._network, batch)

    def backward(self, loss: Tensor) -> None:
        """Gradients of `loss` in place of the last ones."""
        self._optimiser.zero_grad()
        loss.backward()

    def update(self) -> None:
        """A step of Adam."""
        self._optimiser.step()

    def train_on(self, batch: Batch) -> Tensor:
        """Loss, gradients and step; the loss, which nothing has waited for."""
        loss = self.loss(batch)
        self.backward(loss)
        self.update()
        return loss.detach()

    def wait(self) -> None:
        """Until the device has done all that was launched there."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def __call__(self, positions: np.ndarray) -> None:
        """Train on the samples at `positions`, (B,)."""
        self.train_on(self.batch(positions))
