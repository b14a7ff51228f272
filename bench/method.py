"""The contract of a method: what differs from plain training.

To add one, write ``methods/NAME.py`` with a subclass of :class:`Method` under
:func:`register_method` and override only what differs. A method sees its options and a read-only
:class:`Context`; it never touches files, arguments, devices or global random state. Labels of the
test set are for scoring alone: a batch that is to be predicted has none.

A method is a ``torch.nn.Module``: parameters of its own (a projection head, say) are trained with
the network, and whatever it computes once or changes in training (class weights, clusters)
belongs in buffers, so that it moves to the device and into checkpoints by itself.

A run that was stopped goes on in fresh objects after an epoch that was done: ``setup`` and
``initialise`` run as at any start, then all parameters and buffers, and which of its parameters
a method had frozen, are as they were, and the next ``begin_epoch`` follows. ``begin_stage`` is
called for stages that are still to begin and not again for the one that was under way. So what
an epoch needs of earlier ones is kept in buffers, whose shapes may change in training, and what
depends on the epoch alone is set in ``begin_epoch``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bench.data import descriptors, morgan
from bench.data.batch import Batch
from bench.data.descriptors import Describe
from bench.data.morgan import Fingerprint
from bench.dataset import Entity
from bench.errors import HiddenLabelsError
from bench.models.network import Network
from bench.options import Options
from bench.registry import Registry
from bench.seeds import derive_seed

Group = Literal["paper", "control", "peer", "extension"]
Part = Literal["train", "valid"]
GROUPS: tuple[Group, ...] = ("paper", "control", "peer", "extension")


class DataView(Protocol):
    """The training and validation sets as a whole; the test set cannot be reached.

    A network that is asked in evaluation mode is afterwards in the mode in which it was.
    """

    def embeddings(self, network: Network, part: Part = "train") -> Tensor:
        """``network.encode`` of every sample, in evaluation mode, no gradient; (n, d)."""

    def logits(self, network: Network, part: Part = "valid") -> Tensor:
        """Logits of every sample, not adjusted, in evaluation mode, no gradient; (n, K)."""

    def labels(self, part: Part) -> Tensor:
        """Labels on the network's device, int64, (n,)."""

    def positions(self, part: Part) -> Tensor:
        """Positions of the samples, as ``Batch.positions`` counts them, on that device; (n,)."""


@dataclass(frozen=True)
class FinishedRun:
    """The network of a run that this one depends on: same data, split, seed and budget.

    Attributes
    ----------
    network_state : mapping of str to Tensor
        Weights and buffers of its network, for ``network.load_state_dict``; empty without one.
    """

    network_state: Mapping[str, Tensor]


class EpochDone(Protocol):
    """Hears that an epoch is done of a method that has its own loop."""

    def __call__(
        self, epoch: int, *, train_loss: float, learning_rate: float, valid_logits: np.ndarray
    ) -> None:
        """`epoch` counts from 1; `valid_logits`, (n, K), are those of the validation set."""


def unheard(
    epoch: int, *, train_loss: float, learning_rate: float, valid_logits: np.ndarray
) -> None:
    """Nobody hears of the epoch."""


@dataclass(frozen=True)
class Context:
    """What a method may know of the run it is part of.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Labels of the training set; a training sample is known by its position in this array.
    num_classes : int
        K.
    epochs : int
        Epochs of the whole run, all stages together.
    seed : int
        Seed of the run. Use :meth:`rng` or :attr:`generator` instead of seeding by hand.
    generator : torch.Generator
        For random draws within an epoch; the loop seeds it afresh at every epoch's start, so a
        run that is resumed there goes on as if it had never stopped.
    runs : mapping of str to FinishedRun
        The runs that :meth:`Method.requires` asked for, by role.
    fingerprints : callable
        Gives, from radius and bits, what gives :func:`~bench.data.morgan.morgan_counts` of a
        SMILES. Those of a data set on disk are kept there, so that they are made once.
    descriptors : callable
        Gives what gives :func:`~bench.data.descriptors.descriptors` of a SMILES; kept likewise.
    on_epoch : EpochDone
        To be called after each epoch by an estimator that has such, for people who watch the run.
        It changes no result.
    """

    labels: np.ndarray
    num_classes: int
    epochs: int
    seed: int
    generator: torch.Generator = field(default_factory=torch.Generator)
    runs: Mapping[str, FinishedRun] = field(default_factory=dict)
    data_view: DataView | None = None
    fingerprints: Callable[[int, int], Fingerprint] = morgan.each_once
    descriptors: Callable[[], Describe] = descriptors.each_once
    on_epoch: EpochDone = unheard

    @property
    def view(self) -> DataView:
        """Training and validation data as a whole."""
        if self.data_view is None:
            raise ValueError("Expected a context with a data view, but this one has none.")
        return self.data_view

    @property
    def class_counts(self) -> Tensor:
        """Training samples per class, int64, shape (K,)."""
        return torch.from_numpy(np.bincount(self.labels, minlength=self.num_classes))

    @property
    def log_counts(self) -> Tensor:
        """Logarithm of training samples per class, float64, (K,); a class without has one."""
        return self.class_counts.clamp_min(1).double().log()

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
        Part of the run's epochs, in (0, 1]; the shares of a method's stages add up to at most 1.
    trained : callable or None
        Given the network, the module whose parameters train; everything else is frozen and kept
        in evaluation mode, so that batch statistics do not drift. None trains everything.
    """

    name: str = "train"
    share: float = 1.0
    trained: Callable[[Network], nn.Module] | None = None


class _Demands:
    """What a method of whatever kind asks for before it can be trained."""

    needs: ClassVar[Mapping[str, str]] = {}
    """Packages that do not come with the benchmark, each with how to install it.

    They are imported no sooner than a run needs them.
    """

    @classmethod
    def missing(cls) -> str | None:
        """Which of the packages is not here and how to install it; None where all are."""
        for package, how in cls.needs.items():
            if find_spec(package) is None:
                return f"it needs the package {package}, which is not installed. Run: {how}"
        return None

    @classmethod
    def refusal(cls, options: Options, kinds: Collection[str]) -> str | None:
        """Why it cannot take samples with inputs of these kinds; None where it can.

        Asked when runs are planned, before any of them starts.
        """
        return None

    @classmethod
    def epochs(cls, options: Options) -> int | None:
        """Epochs of a loop of its own, which ``context.on_epoch`` hears of; None: the run's."""
        return None


class Method(_Demands, nn.Module):
    """Cross-entropy on shuffled batches; subclasses override what they change.

    Parameters
    ----------
    options : Options
        An instance of `options_type`.
    context : Context
        The run's facts.
    """

    options_type: ClassVar[type[Options]] = Options
    # Contrastive methods train with `contrastive_batch_size`, where the settings give one.
    contrastive: ClassVar[bool] = False

    def __init__(self, options: Options, context: Context) -> None:
        super().__init__()
        self.options = options
        self.context = context
        self.setup()

    @classmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        """Runs to depend on: role to method, such as ``{"teacher": "balanced_softmax"}``."""
        return {}

    def setup(self) -> None:
        """Make buffers and modules, once, from ``self.options`` and ``self.context``."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Training loss of a batch, a scalar; `logits` is (B, K), `labels` (B,)."""
        return nn.functional.cross_entropy(logits, labels)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        """Loss of `batch`, for methods that need more than logits (features, mixing, views)."""
        return self.loss(network(batch), batch.labels)

    def sample_epoch(self, epoch: int) -> np.ndarray:
        """Positions in the training set in the order in which `epoch` (from 1) visits them."""
        return self.context.rng("order", epoch).permutation(len(self.context.labels))

    def stages(self) -> tuple[Stage, ...]:
        """What trains, and for which share of the epochs; none for a post-hoc method."""
        return (Stage(),)

    def initialise(self, network: Network) -> None:
        """Called once before training, for example to load the weights of a required run.

        A run that goes on calls it too; what it draws must depend on the seed alone.
        """

    def begin_stage(self, index: int, network: Network) -> None:
        """Called before a stage's optimiser is made, for example to re-initialise the head.

        Once a run: one that goes on within a stage does not call it again.
        """

    def begin_epoch(self, epoch: int, network: Network) -> None:
        """Called before each epoch (from 1), for example to re-cluster or to re-weight.

        A run that goes on calls it first with the epoch after the last one done.
        """

    def prepare_epoch(self, epoch: int, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches of `epoch` (from 1) on their way to :meth:`training_step`, one by one.

        On a device other than the CPU, what is done here for many of them together costs as many
        launches and waits as it costs for one in a step.
        """
        return batches

    def selectable(self, epoch: int) -> bool:
        """Whether the weights after `epoch` may be chosen by validation."""
        return True

    def conclude(self, network: Network) -> None:
        """Called once with the selected weights, to choose on validation what is not trained."""

    def report(self) -> Mapping[str, Any]:
        """Plain values worth keeping after each epoch and in the end, such as class weights."""
        return {}

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """Logits to predict with, (B, K), from the network's; validation and test alike."""
        return logits

    def predict(self, network: Network, batch: Batch) -> Tensor:
        """Logits to predict `batch` with, (B, K); for methods that do not classify by `network`.

        A batch that is predicted, for validation or test, has no labels: reading them ends the run.
        """
        return self.adjust_logits(network(batch))

    def implied_log_prior(self) -> Tensor | None:
        """Logarithm of the class shares under which the logits are a posterior, float64, (K,).

        With ``softmax(z - implied + log prior)`` a model gives probabilities under any prior. It
        follows from the loss that the logits minimise: cross-entropy in which class k weighs
        ``w_k`` in all gives ``w_k``. None where no such prior follows, as where a loss is not
        proper, or its logits are not those predicted with; so for whatever overrides what is
        trained or predicted without saying here what follows.
        """
        kept = all(getattr(type(self), name) is getattr(Method, name) for name in _DECIDING)
        return log_shares(self.context.log_counts) if kept else None


# What of a method decides under which prior its logits are a posterior.
_DECIDING = (
    "loss",
    "training_step",
    "sample_epoch",
    "stages",
    "conclude",
    "adjust_logits",
    "predict",
)


def log_shares(log_weights: Tensor) -> Tensor:
    """Logarithm of class shares from that of their weights, float64, (K,), which are as finite.

    A class that no sample has, and so no weight, counts as the one of least weight.

    Examples
    --------
    >>> log_shares(torch.tensor([6.0, 2.0, 0.0]).log()).exp()
    tensor([0.6000, 0.2000, 0.2000], dtype=torch.float64)
    """
    weights = log_weights.double()
    known = weights.isfinite()
    return torch.where(known, weights, weights[known].min()).log_softmax(dim=0)


@dataclass(frozen=True)
class Samples:
    """Samples as text, for methods without a network.

    Attributes
    ----------
    entities : tuple of Entity
        Every input of the samples, n values each.
    known_labels : ndarray of int64, shape (n,), or None
        None where the samples are to be predicted, in validation as in test; read as `labels`.
    """

    entities: tuple[Entity, ...]
    known_labels: np.ndarray | None = None

    @property
    def labels(self) -> np.ndarray:
        """Class indices, int64, shape (n,).

        Raises
        ------
        HiddenLabelsError
            The samples are to be predicted.
        """
        if self.known_labels is None:
            raise HiddenLabelsError(
                "Expected predictions from the inputs of samples alone, but `samples.labels` was "
                "read in logits, where samples have none. Labels of the training and validation "
                "parts are in the samples that fit is given."
            )
        return self.known_labels


class _WithoutNetwork(_Demands, ABC):
    """What methods that train no network have in common.

    Parameters
    ----------
    options : Options
        An instance of `options_type`.
    context : Context
        The run's facts, without a view of the data and without runs.
    """

    options_type: ClassVar[type[Options]] = Options
    contrastive: ClassVar[bool] = False
    # False for a baseline whose predictions depend on no input, so that nothing is learnt of them.
    reads_inputs: ClassVar[bool] = True

    def __init__(self, options: Options, context: Context) -> None:
        self.options = options
        self.context = context

    def report(self) -> Mapping[str, Any]:
        """Plain values worth keeping of what :meth:`fit` chose."""
        return {}

    def state(self) -> Mapping[str, Any] | None:
        """What :meth:`load_state` needs to predict again bit for bit, after :meth:`fit`.

        Arrays and objects of scikit-learn by name. None: the method keeps no model.
        """
        return None

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Be as after :meth:`fit`, in a fresh object of the same options and class counts."""
        raise NotImplementedError(f"{type(self).__name__} keeps no model.")

    def implied_log_prior(self) -> Tensor | None:
        """As :meth:`Method.implied_log_prior`, once fitted; None where no prior follows."""
        return None


class Estimator(_WithoutNetwork):
    """A method that replaces network and training as a whole, such as a forest on fingerprints."""

    @classmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        """Estimators depend on no other run."""
        return {}

    @abstractmethod
    def fit(self, train: Samples, valid: Samples) -> None:
        """Learn from `train`, choose on `valid`."""

    @abstractmethod
    def logits(self, samples: Samples) -> np.ndarray:
        """Scores whose largest is the prediction, as log probabilities or logits; (n, K).

        `samples` have no labels: reading them ends the run.
        """


class Ensemble(_WithoutNetwork):
    """A method that trains nothing and combines what finished runs predict.

    They have the same data, split, seed and budget; its cost is the sum of theirs.
    """

    @classmethod
    @abstractmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        """Runs to combine: role to method, such as ``{"forest": "ecfp_forest"}``."""

    @abstractmethod
    def fit(self, logits: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
        """Choose how to combine: on validation, from logits (n, K) by role and labels (n,)."""

    @abstractmethod
    def logits(self, logits: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores whose largest is the prediction, (n, K), from logits (n, K) by role.

        Those of the test set come when all is chosen.
        """


AnyMethod = type[Method] | type[Estimator] | type[Ensemble]

METHODS: Registry[AnyMethod] = Registry("method", "bench.methods", "ltdd_bench.methods")

M = TypeVar("M", bound=AnyMethod)


def usable_methods() -> list[str]:
    """Names of the registered methods whose packages are all here, sorted."""
    return [entry.name for entry in METHODS if entry.cls.missing() is None]


def register_method(
    name: str, *, title: str, group: Group, reference: str, version: int = 1
) -> Callable[[M], M]:
    """Register a method under `name`.

    Parameters
    ----------
    title : str
        Row heading in tables.
    group : {"paper", "control", "peer", "extension"}
        Which block of the table the row stands in.
    reference : str
        Publication with year and arXiv number or DOI.
    version : int
        Raise it when the method's results change, so that finished runs are not reused.
    """
    if group not in GROUPS:
        raise ValueError(f"Expected group to be one of {GROUPS}, but got {group!r}.")

    def decorate(cls: M) -> M:
        METHODS.add(name, cls, title=title, group=group, reference=reference, version=version)
        return cls

    return decorate
