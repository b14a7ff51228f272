"""One run from prepared data to test figures: build, train, select, read the test part once."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from bench.data.collate import Collator
from bench.data.prepared import PreparedData
from bench.dataset import Entity
from bench.errors import UnavailableError
from bench.method import METHODS, Context, Ensemble, Estimator, FinishedRun, Method, Samples
from bench.metrics import balanced_accuracy, evaluate
from bench.models.network import Network, build_network
from bench.options import Options
from bench.split import Split
from bench.training.checkpoint import CheckpointFile
from bench.training.clock import Clock
from bench.training.evaluation import EvaluationBatches, predict_logits
from bench.training.finite import require_finite_logits
from bench.training.loop import EpochReport, TrainingResult, train
from bench.training.settings import TrainingSettings
from bench.training.state import state_of
from bench.training.view import SplitView


@dataclass(frozen=True)
class RunResult:
    """What a run yields, as plain values and arrays ready for the store.

    Attributes
    ----------
    figures : dict
        Metrics, per-class figures, confusion matrix, selection, history, parameters, time.
    predictions : dict of ndarray
        ``valid_labels``, ``valid_logits``, ``test_labels``, ``test_logits`` and the positions.
    weights : dict of ndarray
        State of the network and of the method.
    """

    figures: dict[str, Any]
    predictions: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]


def run(
    prepared: PreparedData,
    split: Split,
    *,
    method_name: str,
    method_options: Options,
    backbones: Mapping[str, tuple[str, Options]],
    training: TrainingSettings,
    seed: int,
    device: torch.device,
    runs: Mapping[str, FinishedRun] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    checkpoint: CheckpointFile | None = None,
) -> RunResult:
    """Train one method on one split with one seed.

    Parameters
    ----------
    prepared : PreparedData
    split : Split
    method_name, method_options
        A registered method and its checked options.
    backbones : mapping
        Kind of entity to backbone name and options.
    training : TrainingSettings
        The budget.
    seed : int
        Decides initial weights and order; the split was made with it too.
    device : torch.device
    runs : mapping, optional
        The finished runs that the method requires, by role.
    on_epoch : callable, optional
        Called after each epoch.
    checkpoint : CheckpointFile, optional
        Where progress is kept while a network trains, and from where it goes on. Whoever stores
        the result removes it.

    Raises
    ------
    TrainingError
        The method cannot be trained as asked, or numbers that are not finite come up.
    """
    clock = Clock()
    context = Context(
        labels=prepared.labels[split.train],
        num_classes=prepared.num_classes,
        epochs=training.epochs,
        seed=seed,
        generator=torch.Generator(device=device),
        # Nothing that trains sees what another run predicts for the test part.
        runs={role: FinishedRun(run.network_state) for role, run in (runs or {}).items()},
    )
    method_type = METHODS.get(method_name).cls
    if issubclass(method_type, Estimator):
        outcome = _fit_estimator(method_type(method_options, context), prepared, split)
    elif issubclass(method_type, Ensemble):
        ensemble = method_type(method_options, replace(context, runs={}))
        outcome = _combine(ensemble, runs or {}, prepared, split)
    else:
        network = build_network(prepared, backbones, seed=seed, precision=training.precision).to(
            device
        )
        collator = network.collator(prepared)
        context = replace(context, data_view=SplitView(collator, split, device))
        method = method_type(method_options, context).to(device)
        result = train(
            network,
            method,
            collator,
            split,
            training,
            seed=seed,
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            clock=clock,
        )
        outcome = _outcome_of_training(result, network, method, collator, split)
    require_finite_logits(outcome.training.valid_logits, "on the validation part")
    require_finite_logits(outcome.test_logits, "on the test part")

    metrics = evaluate(
        prepared.labels[split.test], outcome.test_logits, prepared.class_counts(split.train)
    )
    figures = {
        **metrics.to_record(),
        "selection": {
            "rule": "best validation balanced accuracy",
            "epoch": outcome.training.best_epoch,
            "valid_balanced_accuracy": outcome.training.best_valid_balanced_accuracy,
            "method": outcome.training.method,
        },
        "history": [report.to_json() for report in outcome.training.history],
        "parameters": outcome.parameters,
        "time": {
            **clock.spent(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "peak_memory_bytes": peak_memory_bytes(),
        },
    }
    predictions = {
        "valid_positions": split.valid,
        "valid_labels": prepared.labels[split.valid],
        "valid_logits": outcome.training.valid_logits,
        "test_positions": split.test,
        "test_labels": prepared.labels[split.test],
        "test_logits": outcome.test_logits,
    }
    return RunResult(figures, predictions, outcome.weights)


@dataclass(frozen=True)
class _Outcome:
    training: TrainingResult
    test_logits: np.ndarray
    parameters: int
    weights: dict[str, np.ndarray]


def _outcome_of_training(
    result: TrainingResult, network: Network, method: Method, collator: Collator, split: Split
) -> _Outcome:
    test = EvaluationBatches(collator, split.test, next(network.parameters()).device)
    return _Outcome(
        training=result,
        test_logits=predict_logits(network, method, test),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        weights={name: tensor.cpu().numpy() for name, tensor in state_of(network, method).items()},
    )


def _fit_estimator(estimator: Estimator, prepared: PreparedData, split: Split) -> _Outcome:
    valid = samples_as_text(prepared, split.valid)
    estimator.fit(samples_as_text(prepared, split.train), valid)
    valid_logits = estimator.logits(replace(valid, labels=None))
    score = balanced_accuracy(
        prepared.labels[split.valid], valid_logits.argmax(axis=1), prepared.num_classes
    )
    return _Outcome(
        training=TrainingResult((), 0, score, dict(estimator.report()), valid_logits),
        test_logits=estimator.logits(replace(samples_as_text(prepared, split.test), labels=None)),
        parameters=0,
        weights={},
    )


def _combine(
    ensemble: Ensemble, runs: Mapping[str, FinishedRun], prepared: PreparedData, split: Split
) -> _Outcome:
    labels = prepared.labels[split.valid]
    valid = {role: run.valid_logits for role, run in runs.items()}
    ensemble.fit(valid, labels)
    valid_logits = ensemble.logits(valid)
    score = balanced_accuracy(labels, valid_logits.argmax(axis=1), prepared.num_classes)
    return _Outcome(
        training=TrainingResult((), 0, score, dict(ensemble.report()), valid_logits),
        test_logits=ensemble.logits({role: run.test_logits for role, run in runs.items()}),
        parameters=0,
        weights={},
    )


def samples_as_text(prepared: PreparedData, positions: np.ndarray) -> Samples:
    """The samples at `positions` as text, with their labels."""
    texts = {
        "molecule": prepared.smiles,
        "protein": prepared.proteins,
        "category": prepared.categories,
    }
    entities = [
        Entity(entity.name, entity.kind, [texts[entity.kind][i] for i in entity.index[positions]])
        for entity in prepared.entities
    ]
    return Samples(tuple(entities), prepared.labels[positions])


def choose_device(name: str, *, deterministic: bool = True) -> torch.device:
    """The device called `name`; ``auto`` is CUDA where there is one.

    With `deterministic`, CUDA uses algorithms that repeat bit for bit, with a warning where
    there is none. On the CPU all do.

    Raises
    ------
    UnavailableError
        CUDA is asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UnavailableError(
            "Expected a CUDA device, but torch finds none. Use --device cpu, or install a torch "
            "build with CUDA."
        )
    if name == "cuda" and deterministic:
        # cuBLAS reads it when the first product asks for memory.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(name)


def peak_memory_bytes(of: int = resource.RUSAGE_SELF) -> int:
    """Largest resident size so far of this process, or of one of its ended children."""
    peak = resource.getrusage(of).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
