"""The one training loop: every method that trains a network goes through it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from bench.data.collate import Collator
from bench.errors import TrainingError
from bench.method import Method
from bench.models.network import Network
from bench.seeds import derive_seed
from bench.split import Split
from bench.training.checkpoint import CheckpointFile, Progress
from bench.training.clock import Clock
from bench.training.evaluation import EvaluationBatches, mean_cross_entropy, predict_logits
from bench.training.finite import Losses, require_finite_logits, require_finite_weights
from bench.training.optimiser import FORMAT, make_optimiser
from bench.training.schedules import learning_rate_factor
from bench.training.selector import Judged, Selector
from bench.training.settings import TrainingSettings
from bench.training.stages import TrainedPart, stage_epochs
from bench.training.state import Snapshot, load_state, state_of

# Part of every run's identity: raise it when the loop's results change.
VERSION = 2


@dataclass(frozen=True)
class EpochReport:
    """One line of a run's history. Losses are means over steps; scores are fractions.

    `method` holds what the method itself reports of the epoch. `valid_loss` is the mean
    cross-entropy of the validation logits that the method predicts with; None in histories of
    earlier versions. `valid_figure` is the figure that chooses the epoch, where that is not
    balanced accuracy; None also where it is undefined.
    """

    epoch: int
    stage: str
    train_loss: float
    learning_rate: float
    valid_balanced_accuracy: float
    seconds: float
    method: dict[str, Any] = field(default_factory=dict)
    valid_loss: float | None = None
    valid_figure: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, without a figure that is not there."""
        values = asdict(self)
        if self.valid_figure is None:
            del values["valid_figure"]
        return values


@dataclass(frozen=True)
class TrainingResult:
    """History of a run and the epoch whose weights the network now holds (0: none trained).

    `method` holds what the method reports in the end, such as a power chosen on validation;
    `valid_logits`, shape (n, K), are those that the validation score was taken of, and
    `valid_figure` is the figure of them that chooses, where that is not balanced accuracy.
    """

    history: tuple[EpochReport, ...]
    best_epoch: int
    best_valid_balanced_accuracy: float
    method: dict[str, Any]
    valid_logits: np.ndarray
    valid_figure: float | None = None


def train(
    network: Network,
    method: Method,
    collator: Collator,
    split: Split,
    settings: TrainingSettings,
    *,
    seed: int,
    on_epoch: Callable[[EpochReport], None] | None = None,
    checkpoint: CheckpointFile | None = None,
    clock: Clock | None = None,
) -> TrainingResult:
    """Train `network` in place and leave it with the weights of the best validation epoch.

    The epoch with the best `settings.select_by` on the validation set wins, balanced accuracy
    unless another figure is asked for, the earlier one on a tie. The test set is not looked at.

    Parameters
    ----------
    network, method
        Fresh, on the same device; both are trained.
    collator : Collator
        Turns sample positions of the data set into batches.
    split : Split
        Its training and validation sets are used.
    settings : TrainingSettings
        The budget.
    seed : int
        Seed of the run; random draws inside the network (dropout) are derived from it.
    on_epoch : callable, optional
        Called after each epoch.
    checkpoint : CheckpointFile, optional
        Progress is written to it from time to time. When it holds some of this run, training goes
        on from there and ends, on the CPU, with the same bits as if it had never stopped.
    clock : Clock, optional
        Of the run; the time of the attempt from which training goes on is added to it.

    Raises
    ------
    TrainingError
        A loss, weight or validation logit is not finite; the message names epoch and step, both
        from 1. For a loss training ends at that step on the CPU, elsewhere with that epoch. Or no
        epoch can be chosen.
    DataError
        The figure that is to choose the epoch is undefined on this validation set.
    """
    labels, device = collator.labels_of(split.valid), _device(network)
    context = method.context
    train_counts = np.bincount(context.labels, minlength=context.num_classes)
    selector = Selector(settings.select_by, labels, train_counts)
    clock = clock or Clock()
    history: list[EpochReport] = []
    best: Snapshot | None = None
    valid = EvaluationBatches(collator, split.valid)

    def validate(when: str) -> tuple[Judged, np.ndarray]:
        logits = predict_logits(network, method, valid)
        require_finite_logits(logits, f"on the validation set {when}")
        return selector.judge(logits), logits

    def conclude(epoch: int) -> TrainingResult:
        method.conclude(network)
        judged, logits = validate("after training")
        return TrainingResult(
            tuple(history),
            epoch,
            judged.balanced_accuracy,
            dict(method.report()),
            logits,
            None if selector.is_default else judged.figure,
        )

    method.initialise(network)
    progress = None
    if checkpoint is not None:
        progress = checkpoint.load(_identity(network, method, split, settings, seed))
    if progress is not None:
        _restore(network, method, progress)
        history = [EpochReport(**report) for report in progress.history]
        best = progress.best
        clock.add(progress.spent)
    done, last = len(history), 0
    for index, (stage, epochs) in enumerate(stage_epochs(method, settings.epochs)):
        first, last = last + 1, last + epochs
        if last <= done:
            continue
        if first > done:
            method.begin_stage(index, network)
        part = TrainedPart(network, method, stage)
        trained = part.named_parameters()
        optimiser = make_optimiser(part.parameters(), settings)
        if progress is not None and first <= done:
            optimiser.load_state(progress.optimiser)
        for epoch in range(max(first, done + 1), last + 1):
            started = time.perf_counter()
            with _epoch_randomness(method, seed, epoch, device):
                method.begin_epoch(epoch, network)
                part.train_mode()
                chosen = _batches(split.train[method.sample_epoch(epoch)], settings.batch_size)
                batches = method.prepare_epoch(epoch, collator.epoch(chosen))
                losses, rate = Losses(trained, epoch, device), math.nan
                for step, batch in enumerate(batches):
                    rate = settings.learning_rate * learning_rate_factor(
                        settings.schedule,
                        epoch=epoch - first + 1,
                        step=step,
                        steps=len(chosen),
                        epochs=epochs,
                    )
                    optimiser.learning_rate = rate
                    loss = method.training_step(network, batch)
                    losses.add(loss)
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
            mean_loss = float(np.mean(losses.numbers()))
            require_finite_weights(trained, epoch)
            judged, logits = validate(f"after epoch {epoch}")
            report = EpochReport(
                epoch,
                stage.name,
                mean_loss,
                rate,
                judged.balanced_accuracy,
                time.perf_counter() - started,
                dict(method.report()),
                mean_cross_entropy(labels, logits),
                None if selector.is_default else judged.figure,
            )
            history.append(report)
            may_win = method.selectable(epoch) and judged.score != -math.inf
            if may_win and (best is None or judged.score > best.score):
                best = Snapshot(judged.score, epoch, state_of(network, method))
            if checkpoint is not None and checkpoint.due():
                checkpoint.write(
                    Progress(
                        state=state_of(network, method),
                        frozen=_frozen(method),
                        optimiser=optimiser.state(),
                        best=best,
                        history=[report.to_json() for report in history],
                        spent=clock.spent(),
                    ),
                    _identity(network, method, split, settings, seed),
                )
            if on_epoch is not None:
                on_epoch(report)
    if last == 0:
        return conclude(0)
    if best is None:
        if any(method.selectable(epoch) for epoch in range(1, last + 1)):
            raise TrainingError(
                f"Expected an epoch in which {settings.select_by} is defined on validation, but it "
                "is in none. Train for more epochs or choose another figure with --select-by."
            )
        raise TrainingError(
            f"Expected at least one selectable epoch, but {type(method).__name__}.selectable "
            f"refused all {settings.epochs}. Train for more epochs or shorten the warm-up."
        )
    load_state(network, method, best.state)
    return conclude(best.epoch)


def _identity(
    network: Network, method: Method, split: Split, settings: TrainingSettings, seed: int
) -> dict[str, Any]:
    """What must be equal for a run to go on from where another process left it, by what it is."""
    modules = (network, method)
    return {
        "training loop": VERSION,
        "format of the optimiser's state": FORMAT,
        "version of torch": torch.__version__,
        "device": _device(network).type,
        "method": f"{type(method).__module__}.{type(method).__qualname__}",
        "options of the method": method.options.model_dump(mode="json"),
        "training settings": settings.model_dump(mode="json"),
        "seed": seed,
        "split": split.hash,
        "shapes of weights": [
            [name, list(parameter.shape)]
            for module in modules
            for name, parameter in module.named_parameters()
        ],
        # Without shapes: those of buffers may change in training.
        "names of buffers": [name for module in modules for name, _ in module.named_buffers()],
    }


def _restore(network: Network, method: Method, progress: Progress) -> None:
    load_state(network, method, progress.state)
    for name, parameter in method.named_parameters():
        parameter.requires_grad_(name not in progress.frozen)


def _frozen(method: Method) -> list[str]:
    return [name for name, p in method.named_parameters() if not p.requires_grad]


def _batches(positions: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Full batches only, as the order differs every epoch; all of `positions` if they fill none."""
    full = len(positions) // batch_size
    if full == 0:
        return [positions]
    return np.split(positions[: full * batch_size], full)


def _device(network: Network) -> torch.device:
    return next(network.parameters()).device


@contextmanager
def _epoch_randomness(
    method: Method, seed: int, epoch: int, device: torch.device
) -> Iterator[None]:
    """Random draws of an epoch depend on (seed, epoch) alone; global state is put back after."""
    method.context.generator.manual_seed(derive_seed(seed, "method", str(epoch)))
    devices = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(devices=devices, device_type=device.type):
        dropout = derive_seed(seed, "dropout", str(epoch))
        if device.type == "cpu":
            # torch.manual_seed would reseed all devices, and keep the seed with a stack trace for
            # those that are not in use: a millisecond and a few kilobytes an epoch.
            torch.default_generator.manual_seed(dropout)
        else:
            torch.manual_seed(dropout)
        yield
