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
from bench.method import Method, Stage
from bench.models.network import Network
from bench.seeds import derive_seed
from bench.split import Split
from bench.training.checkpoint import CheckpointFile, Progress
from bench.training.clock import Clock
from bench.training.evaluation import EvaluationBatches, mean_cross_entropy, predict_logits
from bench.training.finite import Losses, require_finite_logits, require_finite_weights
from bench.training.optimiser import FORMAT, Adam, make_optimiser
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
    training = _Training(network, method, collator, split, settings, seed, checkpoint, clock)
    training.start_or_go_on()
    last = 0
    for index, (stage, epochs) in enumerate(stage_epochs(method, settings.epochs)):
        first, last = last + 1, last + epochs
        if last <= training.done:
            continue
        training.begin_stage(index, stage, first)
        for epoch in range(max(first, training.done + 1), last + 1):
            report = training.one_epoch(epoch, stage.name, epoch - first + 1, epochs)
            training.save_progress()
            if on_epoch is not None:
                on_epoch(report)
    return training.finish()


class _Training:
    """One call of :func:`train`, and how far it has come."""

    part: TrainedPart
    optimiser: Adam

    def __init__(
        self,
        network: Network,
        method: Method,
        collator: Collator,
        split: Split,
        settings: TrainingSettings,
        seed: int,
        checkpoint: CheckpointFile | None,
        clock: Clock | None,
    ) -> None:
        self.network, self.method, self.settings, self.seed = network, method, settings, seed
        self.collator, self.split, self.checkpoint = collator, split, checkpoint
        self.device, self.clock = _device(network), clock or Clock()
        self.labels = collator.labels_of(split.valid)
        self.valid = EvaluationBatches(collator, split.valid)
        context = method.context
        train_counts = np.bincount(context.labels, minlength=context.num_classes)
        self.selector = Selector(settings.select_by, self.labels, train_counts)
        self.history: list[EpochReport] = []
        self.best: Snapshot | None = None
        # Of the attempt that is gone on from, until its stage begins again.
        self.progress: Progress | None = None

    @property
    def done(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    def start_or_go_on(self) -> None:
        """Start the method, and take over the progress of an earlier attempt if there is one."""
        self.method.initialise(self.network)
        if self.checkpoint is None:
            return
        self.progress = progress = self.checkpoint.load(self._identity())
        if progress is not None:
            _restore(self.network, self.method, progress)
            self.history = [EpochReport(**report) for report in progress.history]
            self.best = progress.best
            self.clock.add(progress.spent)

    def begin_stage(self, index: int, stage: Stage, first: int) -> None:
        """Freeze what `stage`, which starts at epoch `first`, does not train; an optimiser."""
        is_new = first > self.done
        if is_new:
            self.method.begin_stage(index, self.network)
        self.part = TrainedPart(self.network, self.method, stage)
        self.optimiser = make_optimiser(self.part.parameters(), self.settings)
        if self.progress is not None and not is_new:
            self.optimiser.load_state(self.progress.optimiser)

    def one_epoch(self, epoch: int, stage: str, epoch_of_stage: int, epochs: int) -> EpochReport:
        """Train for one epoch, validate, and remember the weights if they are the best so far."""
        started = time.perf_counter()
        trained = self.part.named_parameters()
        losses = Losses(trained, epoch, self.device)
        with _epoch_randomness(self.method, self.seed, epoch, self.device):
            rate = self._steps(epoch, losses, epoch_of_stage, epochs)
        mean_loss = float(np.mean(losses.numbers()))
        require_finite_weights(trained, epoch)
        judged, logits = self._validate(f"after epoch {epoch}")
        report = EpochReport(
            epoch,
            stage,
            mean_loss,
            rate,
            judged.balanced_accuracy,
            time.perf_counter() - started,
            dict(self.method.report()),
            mean_cross_entropy(self.labels, logits),
            None if self.selector.is_default else judged.figure,
        )
        self.history.append(report)
        may_win = self.method.selectable(epoch) and judged.score != -math.inf
        if may_win and (self.best is None or judged.score > self.best.score):
            self.best = Snapshot(judged.score, epoch, state_of(self.network, self.method))
        return report

    def _steps(self, epoch: int, losses: Losses, epoch_of_stage: int, epochs: int) -> float:
        """Take the steps of an epoch, add their losses to `losses`; the last learning rate."""
        method, batch_size = self.method, self.settings.batch_size
        method.begin_epoch(epoch, self.network)
        self.part.train_mode()
        chosen = _batches(self.split.train[method.sample_epoch(epoch)], batch_size)
        rate = math.nan
        for step, batch in enumerate(method.prepare_epoch(epoch, self.collator.epoch(chosen))):
            rate = self.settings.learning_rate * learning_rate_factor(
                self.settings.schedule,
                epoch=epoch_of_stage,
                step=step,
                steps=len(chosen),
                epochs=epochs,
            )
            self.optimiser.learning_rate = rate
            loss = method.training_step(self.network, batch)
            losses.add(loss)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        return rate

    def _validate(self, when: str) -> tuple[Judged, np.ndarray]:
        logits = predict_logits(self.network, self.method, self.valid)
        require_finite_logits(logits, f"on the validation set {when}")
        return self.selector.judge(logits), logits

    def save_progress(self) -> None:
        """Write all that another process needs to go on from here, when it is time to."""
        if self.checkpoint is not None and self.checkpoint.due():
            self.checkpoint.write(
                Progress(
                    state=state_of(self.network, self.method),
                    frozen=_frozen(self.method),
                    optimiser=self.optimiser.state(),
                    best=self.best,
                    history=[report.to_json() for report in self.history],
                    spent=self.clock.spent(),
                ),
                self._identity(),
            )

    def finish(self) -> TrainingResult:
        """Put the best weights back, let the method conclude, and validate once more."""
        if self.history:
            load_state(self.network, self.method, self._best().state)
        self.method.conclude(self.network)
        judged, logits = self._validate("after training")
        return TrainingResult(
            tuple(self.history),
            self.best.epoch if self.best is not None else 0,
            judged.balanced_accuracy,
            dict(self.method.report()),
            logits,
            None if self.selector.is_default else judged.figure,
        )

    def _best(self) -> Snapshot:
        if self.best is not None:
            return self.best
        if any(self.method.selectable(epoch) for epoch in range(1, self.done + 1)):
            raise TrainingError(
                f"Expected an epoch in which {self.settings.select_by} is defined on validation, "
                "but it is in none. Train for more epochs or choose another figure with "
                "--select-by."
            )
        raise TrainingError(
            f"Expected at least one selectable epoch, but {type(self.method).__name__}.selectable "
            f"refused all {self.settings.epochs}. Train for more epochs or shorten the warm-up."
        )

    def _identity(self) -> dict[str, Any]:
        """What must be equal to go on from where another process left off, by what it is."""
        method = self.method
        modules = (self.network, method)
        return {
            "training loop": VERSION,
            "format of the optimiser's state": FORMAT,
            "version of torch": torch.__version__,
            "device": self.device.type,
            "method": f"{type(method).__module__}.{type(method).__qualname__}",
            "options of the method": method.options.model_dump(mode="json"),
            "training settings": self.settings.model_dump(mode="json"),
            "seed": self.seed,
            "split": self.split.hash,
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
