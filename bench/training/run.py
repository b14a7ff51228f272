"""One run from prepared data to test figures: build, train, select, read the test part once."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from bench.data.prepared import PreparedData
from bench.errors import UnavailableError
from bench.method import METHODS, Context
from bench.metrics import Metrics, evaluate
from bench.models.network import build_network
from bench.options import Options
from bench.split import Split
from bench.training.evaluation import predict_logits
from bench.training.loop import EpochReport, train
from bench.training.settings import TrainingSettings


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
    on_epoch: Callable[[EpochReport], None] | None = None,
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
    on_epoch : callable, optional
        Called after each epoch.
    """
    started, clock, cpu = datetime.now(UTC), time.perf_counter(), time.process_time()
    network = build_network(prepared, backbones, seed=seed).to(device)
    collator = network.collator(prepared)
    context = Context(
        labels=prepared.labels[split.train],
        num_classes=prepared.num_classes,
        epochs=training.epochs,
        seed=seed,
        generator=torch.Generator(device=device),
    )
    method = METHODS.get(method_name).cls(method_options, context).to(device)
    result = train(network, method, collator, split, training, seed=seed, on_epoch=on_epoch)

    predictions = {}
    for name, part in (("valid", split.valid), ("test", split.test)):
        predictions[f"{name}_positions"] = part
        predictions[f"{name}_labels"] = prepared.labels[part]
        predictions[f"{name}_logits"] = predict_logits(network, method, collator, part)
    train_counts = prepared.class_counts(split.train)
    metrics = evaluate(predictions["test_labels"], predictions["test_logits"], train_counts)
    figures = {
        **_metric_figures(metrics),
        "selection": {
            "rule": "best validation balanced accuracy",
            "epoch": result.best_epoch,
            "valid_balanced_accuracy": result.best_valid_balanced_accuracy,
        },
        "history": [report.to_json() for report in result.history],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "time": {
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": time.perf_counter() - clock,
            "cpu_seconds": time.process_time() - cpu,
            "peak_memory_bytes": _peak_memory_bytes(),
        },
    }
    weights = {f"network.{name}": _array(t) for name, t in network.state_dict().items()}
    weights |= {f"method.{name}": _array(t) for name, t in method.state_dict().items()}
    return RunResult(figures, predictions, weights)


def _metric_figures(metrics: Metrics) -> dict[str, Any]:
    """Metrics as records hold them: one figure a name, per-class figures as columns."""
    figures = metrics.to_json()
    groups, per_class = figures.pop("groups"), figures.pop("per_class")
    confusion = figures.pop("confusion")
    figures["auroc_ovr_macro"] = figures.pop("auroc")
    figures |= {f"recall_{name}": group["recall"] for name, group in groups.items()}
    return {
        "metrics": figures,
        "groups": {name: group["classes"] for name, group in groups.items()},
        "per_class": {key: [row[key] for row in per_class] for key in per_class[0]},
        "confusion": confusion,
    }


def choose_device(name: str) -> torch.device:
    """The device called `name`; ``auto`` is CUDA where there is one.

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
    return torch.device(name)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _peak_memory_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
