"""The contract of a method: what differs from plain training.

To add one, write ``methods/NAME.py`` with a subclass of :class:`Method` under
:func:`register_method` and override only what differs. A method sees its options and a read-only
:class:`Context`; it never touches files, arguments, devices or global random state.

A method is a ``torch.nn.Module``: parameters of its own (a projection head, say) are trained with
the network, and whatever it computes once or changes in training (class weights, clusters)
belongs in buffers, so that it moves to the device and into checkpoints by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.batch import Batch
from bench.models.network import Network
from bench.options import Options
from bench.registry import Registry
from bench.seeds import derive_seed

Group = Literal["paper", "control", "extension"]
GROUPS: tuple[Group, ...] = ("paper", "control", "extension")


@dataclass(frozen=True)
class Context:
    """What a method may know of the run it is part of.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Labels of the training part; a training sample is known by its position in this array.
    num_classes : int
        K.
    epochs : int
        Epochs of the whole run, all stages together.
    seed : int
        Seed of the run. Use :meth:`rng` or :attr:`generator` instead of seeding by hand.
    generator : torch.Generator
        For random draws within an epoch; the loop seeds it afresh at every epoch's start, so a
        run that is resumed there goes on as if it had never stopped.
    """

    labels: np.ndarray
    num_classes: int
    epochs: int
    seed: int
    generator: torch.Generator = field(default_factory=torch.Generator)

    @property
    def class_counts(self) -> Tensor:
        """Training samples per class, int64, shape (K,)."""
        return torch.from_numpy(np.bincount(self.labels, minlength=self.num_classes))

    def rng(self, purpose: str, epoch: int = 0) -> np.random.Generator:
        """A fresh generator that depends on the run's seed, `purpose` and `epoch` alone."""
        return np.random.default_rng(derive_seed(self.seed, purpose, str(epoch)))


@dataclass(frozen=True)
class Stage:
    """A stretch of training with its own optimiser, schedule and set of trained parameters.

    Attributes
    ----------
    name : str
        Shown in the history.
    share : float
        Part of the run's epochs, in (0, 1]; the shares of a method's stages add up to 1.
    trained : callable or None
        Given the network, the module whose parameters train; everything else is frozen and kept
        in evaluation mode, so that batch statistics do not drift. None trains everything.
    """

    name: str = "train"
    share: float = 1.0
    trained: Callable[[Network], nn.Module] | None = None


class Method(nn.Module):
    """Cross-entropy on shuffled batches; subclasses override what they change.

    Parameters
    ----------
    options : Options
        An instance of `options_type`.
    context : Context
        The run's facts.
    """

    options_type: ClassVar[type[Options]] = Options

    def __init__(self, options: Options, context: Context) -> None:
        super().__init__()
        self.options = options
        self.context = context
        self.setup()

    def setup(self) -> None:
        """Make buffers and modules, once, from ``self.options`` and ``self.context``."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Training loss of a batch, a scalar; `logits` is (B, K), `labels` (B,)."""
        return nn.functional.cross_entropy(logits, labels)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        """Loss of `batch`, for methods that need more than logits (features, mixing, views)."""
        return self.loss(network(batch), batch.labels)

    def sample_epoch(self, epoch: int) -> np.ndarray:
        """Positions in the training part in the order in which `epoch` (from 1) visits them."""
        return self.context.rng("order", epoch).permutation(len(self.context.labels))

    def stages(self) -> tuple[Stage, ...]:
        """What trains, and for which share of the epochs."""
        return (Stage(),)

    def begin_stage(self, index: int, network: Network) -> None:
        """Called before a stage's optimiser is made, for example to re-initialise the head."""

    def begin_epoch(self, epoch: int, network: Network) -> None:
        """Called before each epoch (from 1), for example to re-cluster or to re-weight."""

    def selectable(self, epoch: int) -> bool:
        """Whether the weights after `epoch` may be chosen by validation."""
        return True

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """Logits to predict with, (B, K), from the network's; validation and test alike."""
        return logits


METHODS: Registry[type[Method]] = Registry("method", "methods", "ltdd_bench.methods")


def register_method(
    name: str, *, title: str, group: Group, reference: str, version: int = 1
) -> Callable[[type[Method]], type[Method]]:
    """Register a method under `name`.

    Parameters
    ----------
    title : str
        Row heading in tables.
    group : {"paper", "control", "extension"}
        Which block of the table the row stands in.
    reference : str
        Publication with year and arXiv number or DOI.
    version : int
        Raise it when the method's results change, so that finished runs are not reused.
    """
    if group not in GROUPS:
        raise ValueError(f"Expected group to be one of {GROUPS}, but got {group!r}.")

    def decorate(cls: type[Method]) -> type[Method]:
        METHODS.add(name, cls, title=title, group=group, reference=reference, version=version)
        return cls

    return decorate
