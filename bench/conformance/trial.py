"""One method on toy data, put together as a real run is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from bench.backbone import BACKBONES
from bench.conformance.toy import toy_data, toy_split
from bench.data.prepared import PreparedData
from bench.method import METHODS, AnyMethod, Context, Ensemble, Estimator, Method
from bench.models.head import Precision
from bench.options import Options
from bench.spec import Spec, check_options, parse_spec, without_encoder
from bench.split import Split
from bench.training.checkpoint import CheckpointFile
from bench.training.counts_view import CountsView, labels_of
from bench.training.kinds import Begun, EnsembleRun, EstimatorRun, NetworkRun, begin
from bench.training.loop import EpochReport, TrainingResult
from bench.training.run import complete
from bench.training.settings import TrainingSettings
from bench.training.state import load_state

CPU = torch.device("cpu")

# High for a network of this size: a toy set is learned in few steps.
_LEARNING_RATE = 0.01


@dataclass(frozen=True)
class Case:
    """What toy data, and how a method is trained on it.

    Attributes
    ----------
    counts : tuple of int
        Samples a class in all parts; three fifths of them train.
    train_counts : tuple of (class, samples)
        Classes of which fewer samples train.
    most_atoms : int
        Atoms of the largest molecule.
    noise : float
        Share of atoms that do not belong to their molecule's class.
    protein : str or None
        Encoder of the protein beside each molecule; None where there are molecules alone.
    device : torch.device
        Where it is trained.
    permuted_test_labels : bool
        Whether the samples of the test set have each other's labels. Nothing may depend on it.
    """

    counts: tuple[int, ...] = (60, 30, 15)
    train_counts: tuple[tuple[int, int], ...] = ()
    most_atoms: int = 5
    noise: float = 0.0
    epochs: int = 5
    batch_size: int = 16
    seed: int = 0
    backbone: str = "gcn"
    protein: str | None = None
    precision: Precision = "float32"
    dtype: torch.dtype = torch.float32
    device: torch.device = CPU
    permuted_test_labels: bool = False


class NetworkTrial:
    """A method with its network, on the data of `case`.

    Parameters
    ----------
    cls : type of Method
    options : Options
    case : Case
    finished : FinishedRuns
        Where the runs come from that the method requires.
    """

    def __init__(
        self, cls: type[Method], options: Options, case: Case, finished: FinishedRuns
    ) -> None:
        self.case = case
        self.data, self.split, self._run = _begin(cls, options, case, finished)
        assert isinstance(self._run, NetworkRun)
        self.network, self.method = self._run.network, self._run.method
        self.collator = self._run.collator

    def train(
        self,
        *,
        checkpoint: CheckpointFile | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> TrainingResult:
        """Train to the end, or on from `checkpoint`, as every run is trained."""
        return complete(self._run, checkpoint=checkpoint, on_epoch=on_epoch)[0]

    def fit(self) -> None:
        """Train alone; :meth:`train` also predicts the test set, as every run does."""
        self._run.fit()

    def logits(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Predictions for the test set or for some `positions`, shape (n, K)."""
        assert isinstance(self._run, NetworkRun)
        return self._run.logits(self.split.test if positions is None else positions)

    def report(self) -> Mapping[str, Any]:
        """What the method wants to be kept of its training."""
        return self.method.report()

    def state(self) -> dict[str, Tensor]:
        """Everything that is saved of the run, by ``network.NAME`` and ``method.NAME``."""
        return self._run.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state` gave; every name must be there and no other.

        The method is made anew from what the card of a model has, as whoever loads one makes it.
        """
        assert isinstance(self._run, NetworkRun)
        context = _of_counts(self.method.context, self.data, self.split)
        method = type(self.method)(self.method.options, context)
        self.method = self._run.method = method.to(self.case.device, _dtype(self.case))
        self.method.initialise(self.network)
        load_state(self.network, self.method, state)


class EstimatorTrial:
    """An estimator on the data of `case`."""

    def __init__(self, cls: type[Estimator], options: Options, case: Case) -> None:
        self.data, self.split, self._run = _begin(cls, options, case, FinishedRuns())
        assert isinstance(self._run, EstimatorRun)
        self.estimator = self._run.estimator

    def train(self) -> None:
        """Fit on the training set, then predict the test set, as every run does."""
        complete(self._run)

    def fit(self) -> None:
        """Fit on the training set alone."""
        self._run.fit()

    def report(self) -> Mapping[str, Any]:
        """What the method wants to be kept of its training."""
        return self.estimator.report()

    def state(self) -> Mapping[str, Any] | None:
        """What is kept of the run; None where the method keeps no model."""
        return self.estimator.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave, made anew as :meth:`NetworkTrial.load` does."""
        assert isinstance(self._run, EstimatorRun)
        context = _of_counts(self.estimator.context, self.data, self.split)
        self.estimator = type(self.estimator)(self.estimator.options, context)
        self._run.estimator = self.estimator
        self.estimator.load_state(state)

    def logits(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Predictions for the test set or for some `positions`, shape (n, K)."""
        assert isinstance(self._run, EstimatorRun)
        return self._run.logits(self.split.test if positions is None else positions)


class EnsembleTrial:
    """An ensemble of runs on the data of `case`."""

    def __init__(
        self, cls: type[Ensemble], options: Options, case: Case, finished: FinishedRuns
    ) -> None:
        self._members = {
            role: finished.trial(text, case) for role, text in cls.requires(options).items()
        }
        self.data, self.split, self._run = _begin(cls, options, case, finished)
        assert isinstance(self._run, EnsembleRun)
        self.ensemble = self._run.ensemble

    def train(self) -> None:
        """Choose on the validation set, then predict the test set, as every run does."""
        complete(self._run)

    def fit(self) -> None:
        """Choose on the validation set alone."""
        self._run.fit()

    def report(self) -> Mapping[str, Any]:
        """What the method wants to be kept of its training."""
        return self.ensemble.report()

    def state(self) -> Mapping[str, Any] | None:
        """What is kept of the run; None where the method keeps no model."""
        return self.ensemble.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave, made anew as :meth:`NetworkTrial.load` does."""
        assert isinstance(self._run, EnsembleRun)
        context = _of_counts(self.ensemble.context, self.data, self.split)
        self.ensemble = type(self.ensemble)(self.ensemble.options, context)
        self._run.ensemble = self.ensemble
        self.ensemble.load_state(state)

    def logits(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Predictions for the test set or for some `positions`, shape (n, K)."""
        if positions is None:
            return self._run.test_logits()
        return self.ensemble.logits(
            {role: member.logits(positions) for role, member in self._members.items()}
        )


Trial = NetworkTrial | EstimatorTrial | EnsembleTrial


@dataclass(frozen=True)
class _FinishedTrial:
    """A trained trial that another depends on; nobody else holds the tensors that it gives."""

    trial: Trial

    def network_state(self) -> dict[str, Tensor]:
        """Weights and buffers of its network, on the CPU as from a file; empty without one."""
        state = self.trial.network.state_dict() if isinstance(self.trial, NetworkTrial) else {}
        return {name: tensor.clone().cpu() for name, tensor in state.items()}

    def logits(self, part: Literal["valid", "test"]) -> np.ndarray:
        """What it predicts with, (n, K)."""
        return self.trial.logits(self.trial.split.parts()[part])


@dataclass
class FinishedRuns:
    """Trains the runs that methods depend on, each once a case."""

    _trials: dict[tuple[type, str, Case], Trial] = field(default_factory=dict, repr=False)

    def required(self, cls: AnyMethod, options: Options, case: Case) -> dict[str, _FinishedTrial]:
        """The runs that a method asks for, by role."""
        return {
            role: _FinishedTrial(self.trial(text, case))
            for role, text in cls.requires(options).items()
        }

    def trial(self, text: str, case: Case) -> Trial:
        """The method called `text`, trained on `case`."""
        spec, encoder = without_encoder(parse_spec(text))
        cls: Any = METHODS.get(spec.name).cls
        options = check_options(cls.options_type, spec, "method")
        if encoder is not None:
            case = replace(case, backbone=encoder)
        # So that a method that may not depend on these labels depends on the very same runs.
        case = replace(case, permuted_test_labels=False)
        key = (cls, options.model_dump_json(), case)
        if key not in self._trials:
            trial = untrained(cls, options, case, self)
            trial.train()
            self._trials[key] = trial
        return self._trials[key]


def untrained(cls: AnyMethod, options: Options, case: Case, finished: FinishedRuns) -> Trial:
    """The trial of a method of whatever kind."""
    if issubclass(cls, Estimator):
        return EstimatorTrial(cls, options, case)
    if issubclass(cls, Ensemble):
        return EnsembleTrial(cls, options, case, finished)
    return NetworkTrial(cls, options, case, finished)


def _dtype(case: Case) -> torch.dtype | None:
    """What network and method are turned into; None where they stay as they are built."""
    return None if case.dtype == torch.float32 else case.dtype


def _of_counts(context: Context, data: PreparedData, split: Split) -> Context:
    """What the card of a model keeps of `context`: class counts, and no data."""
    train, valid = (
        np.bincount(data.labels[part], minlength=data.num_classes).tolist()
        for part in (split.train, split.valid)
    )
    return Context(
        labels=labels_of(train),
        num_classes=context.num_classes,
        epochs=context.epochs,
        seed=context.seed,
        generator=context.generator,
        runs=context.runs,
        data_view=context.data_view and CountsView(train, valid, context.generator.device),
    )


def _begin(
    cls: AnyMethod, options: Options, case: Case, finished: FinishedRuns
) -> tuple[PreparedData, Split, Begun]:
    """Data and split of `case`, and the method begun on them as every run is begun."""
    data = toy_data(
        case.counts,
        most_atoms=case.most_atoms,
        noise=case.noise,
        proteins=case.protein is not None,
    )
    split = toy_split(data, dict(case.train_counts))
    if case.permuted_test_labels:
        data.labels[split.test] = np.roll(data.labels[split.test], 1)
    encoder = parse_spec(case.backbone)
    options_type = BACKBONES.get(encoder.name).cls.options_type
    small: dict[str, Any] = dict.fromkeys({"hidden", "out"} & options_type.model_fields.keys(), 8)
    encoder = Spec(encoder.name, {**small, **encoder.options})
    backbones = {"molecule": (encoder.name, check_options(options_type, encoder, "backbone"))}
    if case.protein is not None:
        protein = BACKBONES.get(case.protein).cls
        backbones["protein"] = (case.protein, protein.options_type())
    begun = begin(
        data,
        split,
        cls,
        options,
        backbones=backbones,
        training=TrainingSettings(
            epochs=case.epochs,
            batch_size=case.batch_size,
            learning_rate=_LEARNING_RATE,
            precision=case.precision,
        ),
        seed=case.seed,
        device=case.device,
        runs=finished.required(cls, options, case),
        dtype=_dtype(case),
    )
    return data, split, begun
