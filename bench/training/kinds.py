"""The three kinds of method on one split, each from its data to what it predicts.

Whatever is begun here knows no label of the test set; conformance begins methods here, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from bench.data import descriptors, morgan
from bench.data.prepared import PreparedData
from bench.dataset import Entity
from bench.errors import DataError, UnavailableError
from bench.method import AnyMethod, Context, Ensemble, Estimator, FinishedRun, Method, Samples
from bench.models.network import build_network
from bench.options import Options
from bench.split import Split
from bench.training.checkpoint import CheckpointFile
from bench.training.clock import Clock
from bench.training.evaluation import EvaluationBatches, mean_cross_entropy, predict_logits
from bench.training.loop import EpochReport, TrainingResult, train
from bench.training.selector import Selector
from bench.training.settings import TrainingSettings
from bench.training.state import state_of
from bench.training.view import SplitView

Backbones = Mapping[str, tuple[str, Options]]


class Prerequisite(Protocol):
    """A finished run that another depends on, which is asked only for what that one may have."""

    def network_state(self) -> Mapping[str, Tensor]:
        """Weights and buffers of its network; empty without one."""

    def logits(self, part: Literal["valid", "test"]) -> np.ndarray:
        """What it predicts with, (n, K)."""


class NetworkRun:
    """A method with its network.

    Parameters
    ----------
    cls, options
        The method and its checked options.
    prepared : PreparedData
        Without labels of the test set.
    split : Split
    context : Context
        Without runs and without a view of the data.
    backbones, training
        As :func:`bench.training.run.run` takes them.
    runs : mapping
        What the method depends on; they hand over their networks.
    device : torch.device
    dtype : torch.dtype, optional
        Of network and method; as they are built when None.
    """

    def __init__(
        self,
        cls: type[Method],
        options: Options,
        prepared: PreparedData,
        split: Split,
        context: Context,
        *,
        backbones: Backbones,
        training: TrainingSettings,
        runs: Mapping[str, Prerequisite],
        device: torch.device,
        dtype: torch.dtype | None = None,
    ) -> None:
        network = build_network(
            prepared, backbones, seed=context.seed, precision=training.precision
        )
        self.network = network.to(device=device, dtype=dtype)
        self.collator = self.network.collator(prepared)
        context = replace(
            context,
            runs={role: FinishedRun(run.network_state()) for role, run in runs.items()},
            data_view=SplitView(self.collator, split, device),
        )
        self.method = cls(options, context).to(device=device, dtype=dtype)
        self.split, self._training = split, training

    def fit(
        self,
        *,
        on_epoch: Callable[[EpochReport], None] | None = None,
        checkpoint: CheckpointFile | None = None,
        clock: Clock | None = None,
    ) -> TrainingResult:
        """Train, see :func:`bench.training.loop.train`."""
        return train(
            self.network,
            self.method,
            self.collator,
            self.split,
            self._training,
            seed=self.method.context.seed,
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            clock=clock,
        )

    def test_logits(self) -> np.ndarray:
        """Predictions for the test set, (n, K)."""
        return self.logits(self.split.test)

    def logits(self, positions: np.ndarray) -> np.ndarray:
        """Predictions for the samples at `positions`, (n, K)."""
        batches = EvaluationBatches(self.collator, positions)
        return predict_logits(self.network, self.method, batches)

    def state(self) -> dict[str, Tensor]:
        """Everything that is saved of the run, by ``network.NAME`` and ``method.NAME``."""
        return state_of(self.network, self.method)

    def kept(self) -> Mapping[str, Any] | None:
        """Nothing besides :meth:`state`."""
        return None

    @property
    def parameters(self) -> int:
        """Parameters of the network."""
        return sum(parameter.numel() for parameter in self.network.parameters())


class _WithoutNetwork:
    parameters = 0

    def state(self) -> dict[str, Tensor]:
        """Nothing is saved."""
        return {}


class EstimatorRun(_WithoutNetwork):
    """An estimator with its samples; parameters as of :class:`NetworkRun`."""

    def __init__(
        self,
        cls: type[Estimator],
        options: Options,
        prepared: PreparedData,
        split: Split,
        context: Context,
        *,
        select_by: str,
    ) -> None:
        context = replace(
            context,
            fingerprints=partial(morgan.of_data, prepared),
            descriptors=partial(descriptors.of_data, prepared),
            on_epoch=self._epoch_done,
        )
        self._on_epoch: Callable[[EpochReport], None] | None = None
        self.estimator = cls(options, context)
        self._prepared, self._split = prepared, split
        self._selector = _selector(select_by, prepared.labels[split.valid], context)

    def fit(
        self, *, on_epoch: Callable[[EpochReport], None] | None = None, **_: object
    ) -> TrainingResult:
        """Fit on the training set, as a whole; `on_epoch` hears what it tells of epochs."""
        self._on_epoch, self._since = on_epoch, time.perf_counter()
        labels = self._prepared.labels
        train, valid = (
            replace(samples_as_text(self._prepared, part), known_labels=labels[part])
            for part in (self._split.train, self._split.valid)
        )
        self.estimator.fit(train, valid)
        return _chosen(self.estimator, self.logits(self._split.valid), self._selector)

    def _epoch_done(
        self, epoch: int, *, train_loss: float, learning_rate: float, valid_logits: np.ndarray
    ) -> None:
        if self._on_epoch is None:
            return
        now = time.perf_counter()
        labels = self._prepared.labels[self._split.valid]
        judged = self._selector.judge(valid_logits)
        report = EpochReport(
            epoch=epoch,
            stage="train",
            train_loss=train_loss,
            learning_rate=learning_rate,
            valid_balanced_accuracy=judged.balanced_accuracy,
            seconds=now - self._since,
            valid_loss=mean_cross_entropy(labels, valid_logits),
            valid_figure=None if self._selector.is_default else judged.figure,
        )
        self._since = now
        self._on_epoch(report)

    def kept(self) -> Mapping[str, Any] | None:
        """What the estimator keeps, see :meth:`bench.method.Estimator.state`."""
        return self.estimator.state()

    def test_logits(self) -> np.ndarray:
        """Predictions for the test set, (n, K)."""
        return self.logits(self._split.test)

    def logits(self, positions: np.ndarray) -> np.ndarray:
        """Predictions for the samples at `positions`, (n, K)."""
        return self.estimator.logits(samples_as_text(self._prepared, positions))


class EnsembleRun(_WithoutNetwork):
    """An ensemble with the runs that it combines; parameters as of :class:`NetworkRun`."""

    def __init__(
        self,
        cls: type[Ensemble],
        options: Options,
        prepared: PreparedData,
        split: Split,
        context: Context,
        *,
        runs: Mapping[str, Prerequisite],
        select_by: str,
    ) -> None:
        self.ensemble = cls(options, context)
        self._labels, self._runs = prepared.labels[split.valid], runs
        self._selector = _selector(select_by, self._labels, context)

    def fit(self, **_: object) -> TrainingResult:
        """Choose on the validation set."""
        valid = self._logits("valid")
        self.ensemble.fit(valid, self._labels)
        return _chosen(self.ensemble, self.ensemble.logits(valid), self._selector)

    def kept(self) -> Mapping[str, Any] | None:
        """What the ensemble keeps, see :meth:`bench.method.Ensemble.state`."""
        return self.ensemble.state()

    def test_logits(self) -> np.ndarray:
        """Predictions for the test set, (n, K)."""
        return self.ensemble.logits(self._logits("test"))

    def _logits(self, part: Literal["valid", "test"]) -> dict[str, np.ndarray]:
        return {role: run.logits(part) for role, run in self._runs.items()}


Begun = NetworkRun | EstimatorRun | EnsembleRun


def begin(
    prepared: PreparedData,
    split: Split,
    cls: AnyMethod,
    options: Options,
    *,
    backbones: Backbones,
    training: TrainingSettings,
    seed: int,
    device: torch.device,
    runs: Mapping[str, Prerequisite],
    dtype: torch.dtype | None = None,
) -> Begun:
    """A method of whatever kind before it is fitted, see :func:`bench.training.run.run`.

    Raises
    ------
    DataError
        The method cannot take samples like these.
    UnavailableError
        It lacks a package.
    """
    if reason := cls.missing():
        raise UnavailableError(f"{cls.__name__} cannot be trained here: {reason}")
    kinds = [entity.kind for entity in prepared.entities]
    if reason := cls.refusal(options, kinds):
        raise DataError(reason)
    # From here on nobody has the labels that predictions are scored against.
    prepared = prepared.knowing(split.train, split.valid)
    context = Context(
        labels=prepared.labels[split.train],
        num_classes=prepared.num_classes,
        epochs=training.epochs,
        seed=seed,
        generator=torch.Generator(device=device),
    )
    if issubclass(cls, Estimator):
        return EstimatorRun(cls, options, prepared, split, context, select_by=training.select_by)
    if issubclass(cls, Ensemble):
        return EnsembleRun(
            cls, options, prepared, split, context, runs=runs, select_by=training.select_by
        )
    return NetworkRun(
        cls,
        options,
        prepared,
        split,
        context,
        backbones=backbones,
        training=training,
        runs=runs,
        device=device,
        dtype=dtype,
    )


def samples_as_text(prepared: PreparedData, positions: np.ndarray) -> Samples:
    """The samples at `positions` as text, to be predicted."""
    texts = {
        "molecule": prepared.smiles,
        "protein": prepared.proteins,
        "category": prepared.categories,
    }
    entities = [
        Entity(entity.name, entity.kind, [texts[entity.kind][i] for i in entity.index[positions]])
        for entity in prepared.entities
    ]
    return Samples(tuple(entities))


def _selector(name: str, labels: np.ndarray, context: Context) -> Selector:
    counts = np.bincount(context.labels, minlength=context.num_classes)
    return Selector(name, labels, counts)


def _chosen(
    method: Estimator | Ensemble, valid_logits: np.ndarray, selector: Selector
) -> TrainingResult:
    """The result of a fit without epochs; what a selector would choose by is only told."""
    judged = selector.judge(valid_logits)
    return TrainingResult(
        (),
        0,
        judged.balanced_accuracy,
        dict(method.report()),
        valid_logits,
        None if selector.is_default else judged.figure,
    )
