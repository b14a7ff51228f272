"""One run from prepared data to predictions of the test set: build, train, select, predict."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from bench.data.prepared import PreparedData
from bench.errors import UnavailableError
from bench.method import METHODS
from bench.options import Options
from bench.split import Split
from bench.training.checkpoint import CheckpointFile
from bench.training.clock import Clock
from bench.training.finite import require_finite_logits
from bench.training.kinds import Backbones, Begun, Prerequisite, begin
from bench.training.loop import EpochReport, TrainingResult
from bench.training.settings import SELECT_BY, TrainingSettings, rule_of


@dataclass(frozen=True)
class RunResult:
    """What a run yields, as plain values and arrays ready for the store.

    Attributes
    ----------
    figures : dict
        Selection, history, parameters, time; once scored, metrics, per-class figures and the
        confusion matrix before them.
    predictions : dict of ndarray
        ``valid_labels``, ``valid_logits``, ``test_logits`` and the positions; once scored,
        ``test_labels``.
    weights : dict of ndarray
        State of the network and of the method.
    objects : mapping of str or None
        What a method without a network keeps; None where it keeps no model.
    """

    figures: dict[str, Any]
    predictions: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    objects: Mapping[str, Any] | None = None


def run(
    prepared: PreparedData,
    split: Split,
    *,
    method_name: str,
    method_options: Options,
    backbones: Backbones,
    training: TrainingSettings,
    seed: int,
    device: torch.device,
    runs: Mapping[str, Prerequisite] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    checkpoint: CheckpointFile | None = None,
) -> RunResult:
    """Train one method on one split with one seed, and predict the test set.

    Labels of the test set are hidden from all of it; :func:`bench.training.score.score` scores.

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
        The method cannot be trained as asked, reads labels of what it predicts, or numbers that
        are not finite come up.
    """
    clock = Clock()
    begun = begin(
        prepared,
        split,
        METHODS.get(method_name).cls,
        method_options,
        backbones=backbones,
        training=training,
        seed=seed,
        device=device,
        runs=runs or {},
    )
    result, test_logits = complete(begun, on_epoch=on_epoch, checkpoint=checkpoint, clock=clock)
    figures = {
        "selection": {
            "rule": rule_of(training.select_by),
            "epoch": result.best_epoch,
            "valid_balanced_accuracy": result.best_valid_balanced_accuracy,
            **_chosen_by(training.select_by, result.valid_figure),
            "method": result.method,
        },
        "history": [report.to_json() for report in result.history],
        "parameters": begun.parameters,
        "time": {
            **clock.spent(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "peak_memory_bytes": peak_memory_bytes(),
            **peak_gpu_memory(device),
        },
    }
    predictions = {
        "valid_positions": split.valid,
        "valid_labels": prepared.labels[split.valid],
        "valid_logits": result.valid_logits,
        "test_positions": split.test,
        "test_logits": test_logits,
    }
    weights = {name: tensor.cpu().numpy() for name, tensor in begun.state().items()}
    return RunResult(figures, predictions, weights, begun.kept())


def _chosen_by(name: str, figure: float | None) -> dict[str, Any]:
    """What chose the epoch and its value, where it is not balanced accuracy."""
    return {} if name == SELECT_BY else {"by": name, "value": figure}


def complete(
    begun: Begun,
    *,
    on_epoch: Callable[[EpochReport], None] | None = None,
    checkpoint: CheckpointFile | None = None,
    clock: Clock | None = None,
) -> tuple[TrainingResult, np.ndarray]:
    """Train what was begun, then predict the test set, once: the result and logits (n, K).

    Parameters and errors are those of :func:`run`.
    """
    result = begun.fit(on_epoch=on_epoch, checkpoint=checkpoint, clock=clock)
    require_finite_logits(result.valid_logits, "on the validation set")
    test_logits = begun.test_logits()
    require_finite_logits(test_logits, "on the test set")
    return result, test_logits


def choose_device(name: str, *, deterministic: bool = True) -> torch.device:
    """The device called `name`; ``auto`` is CUDA where there is one.

    With `deterministic`, CUDA uses algorithms that repeat bit for bit, and an operation that has
    none raises an error that names it. On the CPU all do. Products and convolutions of float32 are
    just that, not TensorFloat-32.

    Raises
    ------
    UnavailableError
        CUDA is asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        require_cuda()
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if name == "cuda" and deterministic:
        # cuBLAS reads it when the first product asks for memory.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Some kernels, as of attention, are in order only where a warning is not enough.
        torch.use_deterministic_algorithms(True, warn_only=False)
        # It finds reads of memory that nobody wrote, by a launch more for each new tensor.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(name)


def require_cuda() -> None:
    """Raise an :class:`.UnavailableError` where there is no CUDA device."""
    if not torch.cuda.is_available():
        raise UnavailableError(
            "Expected a CUDA device, but torch finds none. Use --device cpu, or install a torch "
            "build with CUDA."
        )


def peak_gpu_memory(device: torch.device) -> dict[str, int]:
    """Most bytes of tensors that there were on `device` at a time; nothing for the CPU."""
    if device.type != "cuda":
        return {}
    return {"peak_gpu_memory_bytes": torch.cuda.max_memory_allocated(device)}


def peak_memory_bytes(of: int = resource.RUSAGE_SELF) -> int:
    """Largest resident size so far of this process, or of one of its ended children."""
    peak = resource.getrusage(of).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
