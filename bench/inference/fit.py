"""One final model of all samples, but for the share that methods choose on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

import bench
from bench.backbone import BACKBONES
from bench.config import BackboneSettings
from bench.data.featurise import Progress
from bench.data.prepare import without_lost_classes
from bench.data.prepared import PreparedData
from bench.data.prepared_arrays import assemble, build_arrays
from bench.data.similarity import fingerprints_of
from bench.dataset import MAX_BAD, RawSamples
from bench.errors import ModelError, UsageError
from bench.inference.card import Card, Input, Part, versions_here
from bench.inference.order import order_of
from bench.inference.predictors import Learned, threads_of_runs
from bench.inference.trained import TrainedModel
from bench.method import METHODS
from bench.options import Options
from bench.seeds import derive_seed
from bench.spec import Spec, check_options, parse_spec, spec_of, without_encoder
from bench.split import Split
from bench.sweep.fingerprint import sources_of_model
from bench.training.finite import require_finite_logits
from bench.training.kinds import Backbones, EnsembleRun, EstimatorRun, NetworkRun, begin
from bench.training.loop import EpochReport, TrainingResult
from bench.training.run import choose_device
from bench.training.settings import SELECT_BY, TrainingSettings


@dataclass(frozen=True, eq=False)
class _TrainAndValid(Split):
    """A split without a test set."""

    test: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def parts(self) -> dict[str, np.ndarray]:
        """Those that must have samples."""
        return {"train": self.train, "valid": self.valid}


@dataclass(frozen=True)
class _Fitted:
    """A run that has been trained, for those that depend on it."""

    begun: NetworkRun | EstimatorRun | EnsembleRun
    result: TrainingResult

    def network_state(self) -> Mapping[str, Tensor]:
        """Weights and buffers of its network; empty without one."""
        if not isinstance(self.begun, NetworkRun):
            return {}
        return {name: tensor.cpu() for name, tensor in self.begun.network.state_dict().items()}

    def logits(self, part: Literal["valid", "test"]) -> np.ndarray:
        """What it predicts with on validation, (n, K)."""
        return self.result.valid_logits


@dataclass(frozen=True)
class _Request:
    """What all runs of a fit have in common."""

    prepared: PreparedData
    split: Split
    backbones: Backbones
    training: TrainingSettings
    seed: int
    valid_share: float
    device: torch.device
    jobs: int
    on_epoch: Callable[[str, EpochReport], None] | None
    standardise: bool


def fit_model(
    raw: RawSamples,
    *,
    name: str,
    method: str,
    options: Mapping[str, Any] = MappingProxyType({}),
    backbones: Mapping[str, str] = MappingProxyType({}),
    training: TrainingSettings | None = None,
    seed: int = 0,
    valid_share: float = 0.1,
    standardise: bool = False,
    max_bad: float = MAX_BAD,
    device: str = "cpu",
    on_epoch: Callable[[str, EpochReport], None] | None = None,
    on_progress: Progress | None = None,
    jobs: int = 1,
) -> TrainedModel:
    """Train one final model; what the method depends on is trained first, in this process.

    Parameters
    ----------
    raw : RawSamples
        The samples. Those that cannot be read are left out.
    name : str
        What the data set is called.
    method : str
        Registry name.
    options : mapping
        Of the method.
    backbones : mapping of str to str
        Kind of input to ``NAME`` or ``NAME[key=value]``; those of a benchmark where none is named.
    training : TrainingSettings, optional
        The budget.
    seed : int
        Decides initial weights, order, and which samples are held back.
    valid_share : float
        Share of each class on which the epoch and whatever methods tune are chosen. A class of
        one sample is trained on, a larger one has a sample there at least.
    standardise : bool
        Whether molecules are cleaned up, those that the model is to predict as well.
    max_bad : float
        Largest share of the rows that may be unusable.
    device : {"cpu", "cuda", "auto"}
        That trains; the model predicts on the CPU.
    on_epoch : callable, optional
        Called with the method's name after each epoch.
    on_progress, jobs
        As :func:`bench.data.featurise.featurise` takes them.

    Raises
    ------
    UsageError
        An unknown name or option, or a share out of range.
    DataError
        The samples cannot be used.
    TrainingError
        The method cannot be trained on them.
    """
    training = training or TrainingSettings()
    arrays = build_arrays(
        raw,
        Path(name),
        standardised=standardise,
        max_bad=max_bad,
        jobs=jobs,
        on_progress=on_progress,
    )
    prepared = without_lost_classes(assemble(name, arrays, "", ""))
    request = _Request(
        prepared,
        split_for_fit(prepared.labels, valid_share, seed),
        _backbones(backbones, prepared),
        training,
        seed,
        valid_share,
        choose_device(device),
        jobs,
        on_epoch,
        standardise,
    )
    with threads_of_runs():
        return _fit(Spec(method, dict(options)), request, {}).model


def split_for_fit(labels: np.ndarray, valid_share: float, seed: int) -> Split:
    """Train on all samples but `valid_share` of each class.

    Raises
    ------
    UsageError
        The share is out of range, or no class has two samples.
    """
    if not 0 < valid_share < 1:
        raise UsageError(f"Expected a share between 0 and 1 for validation, but got {valid_share}.")
    rng = np.random.default_rng(derive_seed(seed, "validation"))
    valid = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        held = min(max(1, round(valid_share * len(members))), len(members) - 1)
        valid.append(members[:held])
    chosen = np.concatenate(valid)
    if not len(chosen):
        raise UsageError("Expected a class of two samples or more, but every class has one.")
    return _TrainAndValid(np.setdiff1d(np.arange(len(labels)), chosen), chosen)


@dataclass(frozen=True)
class _Done:
    fitted: _Fitted
    model: TrainedModel


def _fit(spec: Spec, request: _Request, done: dict[str, _Done]) -> _Done:
    """Train `spec` after what it depends on; each run once."""
    spec, encoder = without_encoder(spec)
    if encoder is not None:
        own = _backbones({"molecule": encoder}, request.prepared)
        molecule = {kind: part for kind, part in own.items() if kind == "molecule"}
        request = replace(request, backbones={**request.backbones, **molecule})
    key = f"{spec.label} {sorted(request.backbones.items())}"
    if key in done:
        return done[key]
    entry = METHODS.get(spec.name)
    options = check_options(entry.cls.options_type, spec, "method")
    needed = {
        role: _fit(parse_spec(text), request, done)
        for role, text in entry.cls.requires(options).items()
    }
    begun = begin(
        request.prepared,
        request.split,
        entry.cls,
        options,
        backbones=request.backbones,
        training=request.training,
        seed=request.seed,
        device=request.device,
        runs={role: other.fitted for role, other in needed.items()},
    )
    hear, on_epoch = request.on_epoch, None
    if hear is not None:
        on_epoch = lambda report: hear(spec.label, report)  # noqa: E731
    result = begun.fit(on_epoch=on_epoch)
    require_finite_logits(result.valid_logits, "on the validation set")
    members = {role: other.model for role, other in needed.items()}
    if isinstance(begun, EstimatorRun):
        request = replace(request, backbones={})
    card = _card(spec, options, entry.facts, request, result)
    learned = _learned(begun, request, spec)
    model = TrainedModel(card, learned, members if isinstance(begun, EnsembleRun) else {})
    done[key] = _Done(_Fitted(begun, result), model)
    return done[key]


def _learned(
    begun: NetworkRun | EstimatorRun | EnsembleRun, request: _Request, spec: Spec
) -> Learned:
    if isinstance(begun, EnsembleRun):
        return Learned(objects=_kept(begun.kept(), spec))
    prepared = request.prepared
    training = training_fingerprints(prepared, request.split.train, request.jobs)
    if isinstance(begun, EstimatorRun):
        return Learned(objects=_kept(begun.kept(), spec), training=training)
    weights = {name: tensor.cpu().numpy() for name, tensor in begun.state().items()}
    return Learned(weights=weights, training=training | order_of(prepared.graphs))


def _kept(state: Mapping[str, Any] | None, spec: Spec) -> Mapping[str, Any]:
    if state is None:
        raise ModelError(
            f"Expected a method that keeps a model, but {spec.label!r} has no state and "
            "load_state, see bench/method.py. Choose another method."
        )
    return state


def training_fingerprints(
    prepared: PreparedData, train: np.ndarray, jobs: int
) -> dict[str, np.ndarray]:
    """Distinct fingerprints of the samples at `train`, of the last molecule of each."""
    if not any(entity.kind == "molecule" for entity in prepared.entities):
        return {}
    return {"fingerprints": np.unique(fingerprints_of(prepared, train, jobs=jobs), axis=0)}


def _card(
    spec: Spec,
    options: Options,
    facts: Mapping[str, Any],
    request: _Request,
    result: TrainingResult,
) -> Card:
    prepared, split = request.prepared, request.split
    counts = [prepared.class_counts(part).tolist() for part in (split.train, split.valid)]
    return Card(
        bench=bench.__version__,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        data=prepared.name,
        inputs=tuple(Input(name=e.name, kind=e.kind) for e in prepared.entities),
        categories=prepared.categories,
        standardise=request.standardise,
        class_names=prepared.class_names,
        train_counts=counts[0],
        valid_counts=counts[1],
        method=_part(spec, options, facts),
        backbones={
            kind: _part(spec_of(name, own), own, BACKBONES.get(name).facts)
            for kind, (name, own) in request.backbones.items()
        },
        training=request.training.model_dump(mode="json"),
        seed=request.seed,
        valid_share=request.valid_share,
        epoch=result.best_epoch,
        valid={
            request.training.select_by: result.valid_figure,
            SELECT_BY: result.best_valid_balanced_accuracy,
        },
        versions=versions_here(),
        sources=sources_of_model(spec.name, [name for name, _ in request.backbones.values()]),
    )


def _part(spec: Spec, options: Options, facts: Mapping[str, Any]) -> Part:
    return Part(
        name=spec.name,
        label=spec.label,
        options=options.model_dump(mode="json"),
        version=facts["version"],
    )


def _backbones(asked: Mapping[str, str], prepared: PreparedData) -> Backbones:
    kinds = {entity.kind for entity in prepared.entities}
    usual = BackboneSettings().model_dump()
    if unknown := asked.keys() - usual.keys():
        raise UsageError(
            f"Expected encoders of {', '.join(usual)}, but got one of {min(unknown)!r}."
        )
    chosen: dict[str, tuple[str, Options]] = {}
    for kind, text in {**usual, **asked}.items():
        if kind not in kinds:
            continue
        spec = parse_spec(text)
        entry = BACKBONES.get(spec.name)
        if entry.facts["entity"] != kind:
            raise UsageError(
                f"Expected a backbone for a {kind}, but {spec.name!r} encodes a "
                f"{entry.facts['entity']}."
            )
        chosen[kind] = (spec.name, check_options(entry.cls.options_type, spec, "backbone"))
    return chosen
