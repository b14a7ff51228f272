"""The three kinds of method, each put together again from what was kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from bench.backbone import BACKBONES
from bench.data.prepared import PreparedData
from bench.dataset import Entity
from bench.errors import BenchError, ModelError, UnavailableError
from bench.inference.card import Card, Part
from bench.inference.order import EnvironmentOrder
from bench.inference.samples import read_samples
from bench.method import METHODS, Context, Ensemble, Estimator, FinishedRun, Method
from bench.models.network import Network, build_network
from bench.options import Options
from bench.spec import Spec, check_options
from bench.sweep.worker import BLAS_THREADS
from bench.training.counts_view import CountsView, labels_of
from bench.training.evaluation import EvaluationBatches, predict_logits
from bench.training.kinds import samples_as_text
from bench.training.settings import TrainingSettings
from bench.training.state import load_state


@dataclass(frozen=True)
class Learned:
    """What a model has learned.

    Attributes
    ----------
    weights : mapping of str to ndarray
        Parameters and buffers, by ``network.NAME`` and ``method.NAME``; empty without a network.
    objects : mapping of str or None
        What an estimator or an ensemble keeps, see ``state``.
    training : mapping of str to ndarray
        ``fingerprints`` of the training molecules, and the order of their environments.
    """

    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    objects: Mapping[str, Any] | None = None
    training: Mapping[str, np.ndarray] = field(default_factory=dict)


class Predictor(Protocol):
    """A method that has learned all that it will."""

    def logits(self, prepared: PreparedData) -> np.ndarray:
        """Logits of all samples, (n, K)."""

    def implied_log_prior(self) -> Tensor | None:
        """See :meth:`bench.method.Method.implied_log_prior`."""


def make_predictor(card: Card, learned: Learned, members: Mapping[str, Predictor]) -> Predictor:
    """The predictor of a model.

    Raises
    ------
    ModelError
        What was kept does not fit the method as it is here.
    UnavailableError
        The method lacks a package.
    """
    try:
        entry = METHODS.get(card.method.name)
        _require_version(card.method, entry.facts, "method")
        cls, options = entry.cls, _options(entry.cls.options_type, card.method, "method")
        if reason := cls.missing():
            raise UnavailableError(f"The model {card.method.label!r} cannot predict here: {reason}")
        if issubclass(cls, Estimator):
            return EstimatorPredictor(cls, options, card, learned)
        if issubclass(cls, Ensemble):
            return EnsemblePredictor(cls, options, card, learned, members)
        return NetworkPredictor(cls, options, card, learned)
    except BenchError:
        raise
    except Exception as error:  # whatever a method makes of a state that is not its own
        raise ModelError(
            f"Expected what was kept of the model to fit the method {card.method.label!r}, but got "
            f"{type(error).__name__}: {error}. The folder is damaged, or the method has changed."
        ) from error


class NetworkPredictor:
    """A network with its method."""

    def __init__(self, cls: type[Method], options: Options, card: Card, learned: Learned) -> None:
        backbones: dict[str, tuple[str, Options]] = {}
        for kind, part in card.backbones.items():
            entry = BACKBONES.get(part.name)
            _require_version(part, entry.facts, "backbone")
            backbones[kind] = (part.name, _options(entry.cls.options_type, part, "backbone"))
        training = TrainingSettings.model_validate(card.training)
        network = build_network(
            _example(card), backbones, seed=card.seed, precision=training.precision
        )
        # What it starts from is replaced by what was learned.
        start = FinishedRun(dict(network.state_dict()))
        context = replace(
            _context(card),
            runs=dict.fromkeys(cls.requires(options), start),
            data_view=CountsView(card.train_counts, card.valid_counts),
        )
        method = cls(options, context)
        method.initialise(network)
        state = {name: torch.from_numpy(np.array(a)) for name, a in learned.weights.items()}
        _require_shapes(network, state)
        load_state(network, method, state)
        self.network: Network = network
        self.method = method
        self._order = (
            EnvironmentOrder(learned.training) if "atom_types" in learned.training else None
        )

    def logits(self, prepared: PreparedData) -> np.ndarray:
        """Logits of all samples, float32, (n, K)."""
        if self._order is not None:
            prepared = replace(prepared, graphs=self._order.apply(prepared.graphs))
        batches = EvaluationBatches(self.network.collator(prepared), np.arange(len(prepared)))
        return predict_logits(self.network, self.method, batches)

    def implied_log_prior(self) -> Tensor | None:
        """See :meth:`bench.method.Method.implied_log_prior`."""
        return self.method.implied_log_prior() if _says_its_prior(type(self.method)) else None


# Hooks of a method that decide under which prior its logits are a posterior. Not `training_step`:
# methods such as `ride` train the same another way.
_DECIDING = frozenset(
    ("loss", "prepare_epoch", "sample_epoch", "stages", "conclude", "adjust_logits", "predict")
)


def _says_its_prior(cls: type[Method]) -> bool:
    """Whether `cls` says its prior itself, or inherits it with all that decides it."""
    for base in cls.__mro__:
        if "implied_log_prior" in vars(base):
            return True
        if not _DECIDING.isdisjoint(vars(base)):
            return False
    return False


class EstimatorPredictor:
    """An estimator."""

    def __init__(
        self, cls: type[Estimator], options: Options, card: Card, learned: Learned
    ) -> None:
        self._make = lambda: _restored(cls(options, _context(card)), card, learned)
        self._make()

    def logits(self, prepared: PreparedData) -> np.ndarray:
        """Logits of all samples, (n, K)."""
        # Made again each time: an estimator remembers the molecules that it has seen.
        samples = samples_as_text(prepared, np.arange(len(prepared)))
        estimator: Estimator = self._make()
        return estimator.logits(samples)

    def implied_log_prior(self) -> Tensor | None:
        """See :meth:`bench.method.Method.implied_log_prior`."""
        return self._make().implied_log_prior()


class EnsemblePredictor:
    """An ensemble with its members."""

    def __init__(
        self,
        cls: type[Ensemble],
        options: Options,
        card: Card,
        learned: Learned,
        members: Mapping[str, Predictor],
    ) -> None:
        if missing := sorted(cls.requires(options).keys() - members.keys()):
            raise ModelError(
                f"Expected the members {', '.join(missing)} of the model, but they are not beside "
                "it."
            )
        self._ensemble: Ensemble = _restored(cls(options, _context(card)), card, learned)
        self._members = {role: members[role] for role in cls.requires(options)}

    def logits(self, prepared: PreparedData) -> np.ndarray:
        """Logits of all samples, (n, K)."""
        return self._ensemble.logits(
            {role: member.logits(prepared) for role, member in self._members.items()}
        )

    def implied_log_prior(self) -> Tensor | None:
        """See :meth:`bench.method.Method.implied_log_prior`."""
        return self._ensemble.implied_log_prior()


@contextmanager
def threads_of_runs() -> Iterator[None]:
    """Threads as a run of a benchmark has them; afterwards as they were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(BLAS_THREADS, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)


def _context(card: Card) -> Context:
    return Context(
        labels=labels_of(card.train_counts),
        num_classes=card.num_classes,
        epochs=int(card.training["epochs"]),
        seed=card.seed,
    )


def _restored(method: Any, card: Card, learned: Learned) -> Any:
    if learned.objects is None:
        raise ModelError(
            f"Expected what {card.method.label!r} has learned, but nothing was kept: the run was "
            "made by an earlier version, or the method has no state and load_state (see "
            "bench/method.py). Run it again after removing its folder."
        )
    method.load_state(learned.objects)
    return method


def _require_shapes(network: Network, state: Mapping[str, Tensor]) -> None:
    """Buffers of a network as it made them: compiled loops go by the shapes of its weights."""
    for name, buffer in network.named_buffers():
        kept = state.get(f"network.{name}")
        # A single number is stored as a row of one.
        if kept is not None and kept.shape not in (buffer.shape, buffer.shape or (1,)):
            raise ModelError(
                f"Expected {name} of shape {tuple(buffer.shape)} in the network, but got "
                f"{tuple(kept.shape)}. The folder is damaged, or the encoder has changed."
            )


def _options(options_type: type[Options], part: Part, kind: str) -> Options:
    return check_options(options_type, Spec(part.name, dict(part.options)), kind)


def _require_version(part: Part, facts: Mapping[str, Any], kind: str) -> None:
    if part.version != facts["version"]:
        raise ModelError(
            f"Expected version {facts['version']} of the {kind} {part.name!r}, but the model was "
            f"made by version {part.version}, which computes something else. Fit it again, or use "
            "the version of the benchmark that made it."
        )


_EXAMPLES = {"molecule": "C", "protein": "AAA"}


def _example(card: Card) -> PreparedData:
    """One sample, from which a network learns the shapes of its inputs."""
    entities = [
        Entity(input_.name, input_.kind, [_EXAMPLES.get(input_.kind) or card.categories[0]])
        for input_ in card.inputs
    ]
    return read_samples(entities, card).prepared
