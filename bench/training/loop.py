"""The one training loop: every method that trains a network goes through it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.collate import Collator
from bench.errors import TrainingError
from bench.method import Method, Stage
from bench.metrics import balanced_accuracy
from bench.models.network import Network
from bench.seeds import derive_seed
from bench.split import Split
from bench.training.evaluation import EvaluationBatches, predict_logits
from bench.training.schedules import learning_rate_factor
from bench.training.settings import TrainingSettings

# Part of every run's identity: raise it when the loop's results change.
VERSION = 2


@dataclass(frozen=True)
class EpochReport:
    """One line of a run's history. Losses are means over steps; scores are fractions.

    `method` holds what the method itself reports of the epoch.
    """

    epoch: int
    stage: str
    train_loss: float
    learning_rate: float
    valid_balanced_accuracy: float
    seconds: float
    method: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class TrainingResult:
    """History of a run and the epoch whose weights the network now holds (0: none trained).

    `method` holds what the method reports in the end, such as a power chosen on validation;
    `valid_logits`, shape (n, K), are those that the validation score was taken of.
    """

    history: tuple[EpochReport, ...]
    best_epoch: int
    best_valid_balanced_accuracy: float
    method: dict[str, Any]
    valid_logits: np.ndarray


def train(
    network: Network,
    method: Method,
    collator: Collator,
    split: Split,
    settings: TrainingSettings,
    *,
    seed: int,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> TrainingResult:
    """Train `network` in place and leave it with the weights of the best validation epoch.

    The epoch with the highest balanced accuracy on the validation part wins, the earlier one on a
    tie. The test part is not looked at.

    Parameters
    ----------
    network, method
        On the same device; both are trained.
    collator : Collator
        Turns sample positions of the data set into batches.
    split : Split
        Its training and validation parts are used.
    settings : TrainingSettings
        The budget.
    seed : int
        Seed of the run; random draws inside the network (dropout) are derived from it.
    on_epoch : callable, optional
        Called after each epoch.

    Raises
    ------
    TrainingError
        The loss is not finite; the message names epoch and step.
    """
    labels = collator.labels[split.valid]
    num_classes = method.context.num_classes
    history: list[EpochReport] = []
    best: _Snapshot | None = None
    epoch = 0
    valid = EvaluationBatches(collator, split.valid, _device(network))

    def validate() -> tuple[float, np.ndarray]:
        logits = predict_logits(network, method, valid)
        return balanced_accuracy(labels, logits.argmax(axis=1), num_classes), logits

    def conclude(epoch: int) -> TrainingResult:
        method.conclude(network)
        score, logits = validate()
        return TrainingResult(tuple(history), epoch, score, dict(method.report()), logits)

    method.initialise(network)
    for index, (stage, epochs) in enumerate(_stage_epochs(method, settings.epochs)):
        method.begin_stage(index, network)
        part = _TrainedPart(network, method, stage)
        optimiser = make_optimiser(part.parameters(), settings)
        for stage_epoch in range(1, epochs + 1):
            epoch += 1
            started = time.perf_counter()
            with _epoch_randomness(method, seed, epoch, _device(network)):
                method.begin_epoch(epoch, network)
                part.train_mode()
                batches = _batches(split.train[method.sample_epoch(epoch)], settings.batch_size)
                losses, rate = [], math.nan
                for step, positions in enumerate(batches):
                    rate = settings.learning_rate * learning_rate_factor(
                        settings.schedule,
                        epoch=stage_epoch,
                        step=step,
                        steps=len(batches),
                        epochs=epochs,
                    )
                    for group in optimiser.param_groups:
                        group["lr"] = rate
                    loss = method.training_step(network, collator(positions).to(_device(network)))
                    losses.append(_finite(loss, epoch, step))
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()
                    optimiser.step()
            score, _ = validate()
            report = EpochReport(
                epoch,
                stage.name,
                float(np.mean(losses)),
                rate,
                score,
                time.perf_counter() - started,
                dict(method.report()),
            )
            history.append(report)
            if method.selectable(epoch) and (best is None or score > best.score):
                best = _Snapshot.take(network, method, score, epoch)
            if on_epoch is not None:
                on_epoch(report)
    if epoch == 0:
        return conclude(0)
    if best is None:
        raise TrainingError(
            f"Expected at least one selectable epoch, but {type(method).__name__}.selectable "
            f"refused all {settings.epochs}. Train for more epochs or shorten the warm-up."
        )
    best.restore(network, method)
    return conclude(best.epoch)


def make_optimiser(
    parameters: Sequence[nn.Parameter], settings: TrainingSettings
) -> torch.optim.Optimizer:
    """Adam with the settings' rate and coupled weight decay, as one fused kernel."""
    return torch.optim.Adam(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def _stage_epochs(method: Method, epochs: int) -> list[tuple[Stage, int]]:
    """Each stage with its whole number of epochs, at least 1; together at most `epochs`."""
    stages = method.stages()
    total = sum(stage.share for stage in stages)
    if total > 1 + 1e-9 or any(stage.share <= 0 for stage in stages):
        raise TrainingError(
            f"Expected the stage shares of {type(method).__name__} to be positive and to add up "
            f"to at most 1, got {[stage.share for stage in stages]}."
        )
    if epochs < len(stages):
        raise TrainingError(
            f"Expected at least one epoch for each of the {len(stages)} stages of "
            f"{type(method).__name__}, but got {epochs} in all. Raise --epochs."
        )
    ends = [round(epochs * share) for share in np.cumsum([stage.share for stage in stages])]
    # Every stage keeps an epoch of its own: no end before its turn, none too late for the rest.
    for index in range(len(ends)):
        earliest = (ends[index - 1] if index else 0) + 1
        latest = epochs - (len(ends) - 1 - index)
        ends[index] = min(max(ends[index], earliest), latest)
    starts = [0, *ends][:-1]
    return [(stage, end - start) for stage, start, end in zip(stages, starts, ends, strict=True)]


def _batches(positions: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Full batches only, as the order differs every epoch; all of `positions` if they fill none."""
    full = len(positions) // batch_size
    if full == 0:
        return [positions]
    return np.split(positions[: full * batch_size], full)


class _TrainedPart:
    """The modules a stage trains; the rest of the network is frozen and in evaluation mode."""

    def __init__(self, network: Network, method: Method, stage: Stage) -> None:
        self._network, self._method = network, method
        self._module: nn.Module = stage.trained(network) if stage.trained else network
        network.requires_grad_(False)
        self._module.requires_grad_(True)

    def parameters(self) -> list[nn.Parameter]:
        own = [parameter for parameter in self._method.parameters() if parameter.requires_grad]
        return [*self._module.parameters(), *own]

    def train_mode(self) -> None:
        self._network.eval()
        self._module.train()
        self._method.train()


@dataclass(frozen=True)
class _Snapshot:
    """Weights and buffers after an epoch."""

    score: float
    epoch: int
    network: dict[str, Tensor]
    method: dict[str, Tensor]

    @classmethod
    def take(cls, network: Network, method: Method, score: float, epoch: int) -> _Snapshot:
        return cls(score, epoch, _clone(network), _clone(method))

    def restore(self, network: Network, method: Method) -> None:
        network.load_state_dict(self.network)
        method.load_state_dict(self.method)


def _clone(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _device(network: Network) -> torch.device:
    return next(network.parameters()).device


@contextmanager
def _epoch_randomness(
    method: Method, seed: int, epoch: int, device: torch.device
) -> Iterator[None]:
    """Random draws of an epoch depend on (seed, epoch) alone; global state is put back after."""
    method.context.generator.manual_seed(derive_seed(seed, "method", str(epoch)))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive_seed(seed, "dropout", str(epoch)))
        yield


def _finite(loss: Tensor, epoch: int, step: int) -> float:
    value = loss.item()
    if not math.isfinite(value):
        raise TrainingError(
            f"Expected a finite training loss, but got {value} at epoch {epoch} step {step}. "
            "Lower the learning rate or check the method's loss."
        )
    return value
