"""Look over a method's shoulder while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.conformance.returned import require_logits, require_loss, require_order
from bench.data.batch import Batch
from bench.method import AnyMethod, Ensemble, Estimator, Method, Samples, Stage
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
    """Goes before a method in the order of its bases; writes down what happens, changes nothing.

    It refuses values that a method must not return.
    """

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
        require_order(order, _source(self, "sample_epoch"))
        self.watch.seen.orders.append(np.array(order))
        return order

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        inputs = Copies(parts_of(batch))
        loss = super().training_step(network, batch)
        require_loss(loss, _source(self, "training_step", "loss"))
        self.watch.seen.written |= inputs.changed(parts_of(batch))
        return loss

    def predict(self, network: Network, batch: Batch) -> Tensor:
        logits = super().predict(network, batch)
        source = _source(self, "predict", "adjust_logits")
        require_logits(logits, len(batch), self.context.num_classes, source, Tensor)
        return logits

    def report(self) -> Mapping[str, Any]:
        self.watch.epoch_ends()
        return super().report()

    def conclude(self, network: Network) -> None:
        self.watch.training_ends()
        super().conclude(network)


class InstrumentedEstimator(Estimator):
    """Goes before an estimator; refuses predictions that it must not return."""

    def logits(self, samples: Samples) -> np.ndarray:
        logits = super().logits(samples)  # type: ignore[safe-super]
        rows, classes = len(samples.entities[0].values), self.context.num_classes
        require_logits(logits, rows, classes, _source(self, "logits"), np.ndarray)
        return logits


class InstrumentedEnsemble(Ensemble):
    """Goes before an ensemble; refuses predictions that it must not return."""

    def logits(self, logits: Mapping[str, np.ndarray]) -> np.ndarray:
        found = super().logits(logits)  # type: ignore[safe-super]
        rows, classes = next(iter(logits.values())).shape
        require_logits(found, rows, classes, _source(self, "logits"), np.ndarray)
        return found


def instrumented(cls: AnyMethod) -> AnyMethod:
    """What goes before a method of this kind, so that it is watched."""
    if issubclass(cls, Estimator):
        return InstrumentedEstimator
    return InstrumentedEnsemble if issubclass(cls, Ensemble) else InstrumentedMethod


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


def _source(method: object, *names: str) -> str:
    """The first of these that a method overrides, with its class; the last where it has none.

    The last is what the others call, in the order of the contract.
    """
    classes = [cls for cls in type(method).__mro__ if cls.__module__ != __name__]
    found = [(name, next(cls for cls in classes if name in vars(cls))) for name in names]
    own = [(name, cls) for name, cls in found if cls.__module__ != Method.__module__]
    name, cls = [*own, found[-1]][0]
    return f"{cls.__name__}.{name}"


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
