"""One method on toy data, put together as a real run is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.backbone import BACKBONES
from bench.conformance.toy import toy_data, toy_split
from bench.data.batch import Batch
from bench.data.collate import Collator
from bench.data.prepared import PreparedData
from bench.method import (
    METHODS,
    AnyMethod,
    Context,
    Ensemble,
    Estimator,
    FinishedRun,
    Method,
)
from bench.models.network import build_network
from bench.options import Options
from bench.spec import check_options, parse_spec
from bench.split import Split
from bench.training.checkpoint import CheckpointFile
from bench.training.evaluation import EvaluationBatches, predict_logits
from bench.training.loop import EpochReport, TrainingResult, train
from bench.training.run import samples_as_text
from bench.training.settings import TrainingSettings
from bench.training.state import load_state, state_of
from bench.training.view import SplitView

_CPU = torch.device("cpu")

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
    """

    counts: tuple[int, ...] = (60, 30, 15)
    train_counts: tuple[tuple[int, int], ...] = ()
    most_atoms: int = 5
    noise: float = 0.0
    epochs: int = 5
    batch_size: int = 16
    seed: int = 0
    backbone: str = "gcn"
    dtype: torch.dtype = torch.float32


def _toy(case: Case) -> tuple[PreparedData, Split, Context]:
    """Data and split of `case`, and the facts of a run on them."""
    data = toy_data(case.counts, most_atoms=case.most_atoms, noise=case.noise)
    split = toy_split(data, dict(case.train_counts))
    context = Context(
        labels=data.labels[split.train],
        num_classes=data.num_classes,
        epochs=case.epochs,
        seed=case.seed,
    )
    return data, split, context


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
        self.data, self.split, context = _toy(case)
        shape = BACKBONES.get(case.backbone).cls.options_type.model_validate(
            {"hidden": 8, "out": 8}
        )
        self.network = build_network(
            self.data, {"molecule": (case.backbone, shape)}, seed=case.seed
        ).to(case.dtype)
        self.collator = _CastingCollator(self.data, case.dtype)
        context = replace(
            context,
            runs=finished.required(cls, options, case),
            data_view=SplitView(self.collator, self.split, _CPU),
        )
        self.method = cls(options, context).to(case.dtype)

    def train(
        self,
        *,
        checkpoint: CheckpointFile | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> TrainingResult:
        """Train to the end, or on from `checkpoint`, as every run is trained."""
        settings = TrainingSettings(
            epochs=self.case.epochs, batch_size=self.case.batch_size, learning_rate=_LEARNING_RATE
        )
        return train(
            self.network,
            self.method,
            self.collator,
            self.split,
            settings,
            seed=self.case.seed,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
        )

    def logits(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Predictions for the test part or for some `positions`, shape (n, K)."""
        chosen = self.split.test if positions is None else positions
        batches = EvaluationBatches(self.collator, chosen, torch.device("cpu"))
        return predict_logits(self.network, self.method, batches)

    def state(self) -> dict[str, Tensor]:
        """Everything that is saved of the run, by ``network.NAME`` and ``method.NAME``."""
        return state_of(self.network, self.method)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state` gave; every name must be there and no other."""
        load_state(self.network, self.method, state)


class EstimatorTrial:
    """An estimator on the data of `case`."""

    def __init__(self, cls: type[Estimator], options: Options, case: Case) -> None:
        self.data, self.split, context = _toy(case)
        self.estimator = cls(options, context)

    def train(self) -> None:
        """Fit on the training part."""
        self.estimator.fit(
            samples_as_text(self.data, self.split.train),
            samples_as_text(self.data, self.split.valid),
        )

    def logits(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Predictions for the test part or for some `positions`, shape (n, K)."""
        chosen = self.split.test if positions is None else positions
        return self.estimator.logits(replace(samples_as_text(self.data, chosen), labels=None))


class EnsembleTrial:
    """An ensemble of runs on the data of `case`."""

    def __init__(
        self, cls: type[Ensemble], options: Options, case: Case, finished: FinishedRuns
    ) -> None:
        self.data, self.split, context = _toy(case)
        self._members = {
            role: finished.trial(text, case) for role, text in cls.requires(options).items()
        }
        self.ensemble = cls(options, context)

    def train(self) -> None:
        """Choose on the validation part."""
        self.ensemble.fit(self._logits(self.split.valid), self.data.labels[self.split.valid])

    def logits(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Predictions for the test part or for some `positions`, shape (n, K)."""
        return self.ensemble.logits(
            self._logits(self.split.test if positions is None else positions)
        )

    def _logits(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        return {role: member.logits(positions) for role, member in self._members.items()}


Trial = NetworkTrial | EstimatorTrial | EnsembleTrial


@dataclass
class FinishedRuns:
    """Trains the runs that methods build on, each once a case."""

    _trials: dict[tuple[type, str, Case], Trial] = field(default_factory=dict, repr=False)

    def required(self, cls: AnyMethod, options: Options, case: Case) -> dict[str, FinishedRun]:
        """The runs that a method asks for, by role; nobody else holds their tensors."""
        return {role: self._run(text, case) for role, text in cls.requires(options).items()}

    def _run(self, text: str, case: Case) -> FinishedRun:
        trial = self.trial(text, case)
        state = trial.network.state_dict() if isinstance(trial, NetworkTrial) else {}
        return FinishedRun({name: tensor.clone() for name, tensor in state.items()})

    def trial(self, text: str, case: Case) -> Trial:
        """The method called `text`, trained on `case`."""
        spec = parse_spec(text)
        cls: Any = METHODS.get(spec.name).cls
        options = check_options(cls.options_type, spec, "method")
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


class _CastingCollator(Collator):
    """Yields batches in the precision of the network."""

    def __init__(self, data: PreparedData, dtype: torch.dtype) -> None:
        super().__init__(data)
        self._dtype = dtype

    def __call__(self, positions: np.ndarray) -> Batch:
        return super().__call__(positions).to(dtype=self._dtype)
