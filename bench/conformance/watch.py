"""Look over a method's shoulder while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.batch import Batch
from bench.method import Method, Stage
from bench.models.network import Network


@dataclass
class TrainingTrace:
    """What happened while a method trained.

    Attributes
    ----------
    decayed : set of str
        Parameters whose gradients were all zeros in some epoch: weight decay alone moves them.
    trained, reached : set of str
        Parameters that some stage trains; that had a gradient other than zero at some step.
    frozen, moved : set of str
        Parameters and buffers of the network that some stage froze; those that changed in it.
    written : set of str
        Parts of a batch that a training step wrote to.
    orders : list of ndarray
        Positions of the training samples in the order of each epoch.
    """

    decayed: set[str] = field(default_factory=set)
    trained: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    orders: list[np.ndarray] = field(default_factory=list)


class InstrumentedMethod(Method):
    """Goes before a method in the order of its bases; writes down what happens, changes nothing."""

    def setup(self) -> None:
        self.watch = Watch()
        super().setup()

    def begin_stage(self, index: int, network: Network) -> None:
        super().begin_stage(index, network)
        self.watch.stage(network, self.stages()[index])

    def begin_epoch(self, epoch: int, network: Network) -> None:
        super().begin_epoch(epoch, network)
        self.watch.follow("network", network)
        self.watch.follow("method", self)

    def sample_epoch(self, epoch: int) -> np.ndarray:
        order = super().sample_epoch(epoch)
        self.watch.seen.orders.append(np.array(order))
        return order

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        inputs = Copies(parts_of(batch))
        loss = super().training_step(network, batch)
        self.watch.seen.written |= inputs.changed(parts_of(batch))
        return loss

    def report(self) -> Mapping[str, Any]:
        self.watch.epoch_ends()
        return super().report()

    def conclude(self, network: Network) -> None:
        self.watch.training_ends()
        super().conclude(network)


class OneClassBatches(Method):
    """Goes before a method in the order of its bases; its samples come class by class."""

    def sample_epoch(self, epoch: int) -> np.ndarray:
        order = super().sample_epoch(epoch)
        return order[np.argsort(self.context.labels[order], kind="stable")]


class Watch:
    """What is seen of modules in training; one attribute of a method, so that no name is taken."""

    def __init__(self) -> None:
        self.seen = TrainingTrace()
        self._followed: set[int] = set()
        # Whether a gradient of this epoch was other than zero.
        self._of_epoch: dict[str, bool] = {}
        self._frozen: Copies | None = None

    def stage(self, network: Network, stage: Stage) -> None:
        """Remember what `stage`, which begins now, does not train."""
        trained = _by_name(stage.trained(network) if stage.trained else network).values()
        ids = {id(tensor) for tensor in trained}
        self._network = network
        self._frozen = Copies({k: v for k, v in _by_name(network).items() if id(v) not in ids})
        self.seen.frozen |= self._frozen.copies.keys()

    def epoch_ends(self) -> None:
        """Compare what the stage froze; name what had gradients, but of zeros alone."""
        self.seen.decayed |= {name for name, reached in self._of_epoch.items() if not reached}
        self._of_epoch.clear()
        if self._frozen is not None:
            self.seen.moved |= self._frozen.changed(_by_name(self._network))

    def training_ends(self) -> None:
        """From here on the network holds the weights of another epoch; nothing is compared."""
        self._frozen = None

    def follow(self, owner: str, module: nn.Module) -> None:
        """Write down the gradients that the trained parameters of `module` get from now on."""
        for name, parameter in module.named_parameters(prefix=owner):
            if parameter.requires_grad and id(parameter) not in self._followed:
                self._followed.add(id(parameter))
                self.seen.trained.add(name)
                parameter.register_post_accumulate_grad_hook(partial(self._note, name))

    def _note(self, name: str, parameter: Tensor) -> None:
        assert parameter.grad is not None
        reached = bool(parameter.grad.any())
        if reached:
            self.seen.reached.add(name)
        self._of_epoch[name] = reached or self._of_epoch.get(name, False)


class Copies:
    """Values of tensors at one moment."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.copies = {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def changed(self, tensors: Mapping[str, Tensor]) -> set[str]:
        """Names of those that are not bit-equal any more."""
        return {
            name
            for name, copy in self.copies.items()
            if name not in tensors or not torch.equal(copy, tensors[name])
        }


def _by_name(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def parts_of(value: Any, name: str = "batch") -> dict[str, Tensor]:
    """Every tensor of a batch, or of one of its inputs, by name."""
    if isinstance(value, Tensor):
        return {name: value}
    inside: Mapping[str, Any] = {}
    if isinstance(value, Mapping):
        inside = value
    elif isinstance(value, tuple):
        inside = {str(place): item for place, item in enumerate(value)}
    elif is_dataclass(value):
        inside = {item.name: getattr(value, item.name) for item in fields(value)}
    return {
        key: tensor
        for part, item in inside.items()
        for key, tensor in parts_of(item, f"{name}.{part}").items()
    }
