"""Host against device: the same training on one thread of the processor and on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import torch

from bench.errors import BenchError, UsageError
from bench.perf.effort import Effort
from bench.perf.method_run import CPU, MethodSteps, begin_run
from bench.perf.progress import say
from bench.perf.results import Row, Unit
from bench.perf.spread import Spread, interleaved
from bench.perf.workload import Workload
from bench.training.run import choose_device
from bench.training.settings import TrainingSettings

# Devices add in other orders, and Adam makes much of small gradients.
_TOLERANCE = 1e-3
_COMPARED_STEPS = 3
_EPOCHS = 2

# Titles of the backends.
DEVICE, HOST = "GPU", "CPU"

Batches = list[list[np.ndarray]]
"""Positions of each batch of each round."""


class UnequalLossesError(BenchError):
    """The device does not compute what the host computes; its times would mean nothing."""

    exit_code = 1


def host_and_device(
    dataset: str, batch_sizes: Sequence[int], device: str, effort: Effort, data_dir: Path | None
) -> list[Row]:
    """Rows of one data set: batches, steps, epochs and memory.

    `device` is ``"cuda"``; with ``"cpu"`` all is done as well, on the processor twice.

    Raises
    ------
    UnequalLossesError
        Losses of the same steps differ.
    """
    workload = Workload.open(dataset, data_dir)
    samples = len(workload.split.train)
    if samples < max(batch_sizes):
        raise UsageError(
            f"Expected --batch-sizes of at most {samples}, the training samples of {dataset}, "
            f"but got {max(batch_sizes)}."
        )
    places = {DEVICE: choose_device(device), HOST: CPU}
    rows: list[Row] = []
    for size in batch_sizes:
        say(f"{dataset}: batches of {size} on the processor and on the device")
        rows += _of_one_size(workload, size, places, effort)
    return rows


def require_equal_losses(device: Sequence[float], host: Sequence[float]) -> None:
    """Compare the losses of the same steps.

    Raises
    ------
    UnequalLossesError
        Some differ by more than 1e-3, or 1e-3 of a loss above 1.
    """
    for step, (got, expected) in enumerate(zip(device, host, strict=True), start=1):
        # Written so that nan fails.
        if not abs(got - expected) <= _TOLERANCE * max(1.0, abs(expected)):
            raise UnequalLossesError(
                f"Expected the loss {expected:g} of step {step} on the device, as on the "
                f"processor, within {_TOLERANCE:g}, but got {got:g}. Nothing is timed before both "
                "compute the same."
            )


def _of_one_size(
    workload: Workload, size: int, places: Mapping[str, torch.device], effort: Effort
) -> Iterator[Row]:
    rng = np.random.default_rng(size)
    rounds = [
        [rng.choice(workload.split.train, size, replace=False) for _ in range(effort.steps)]
        for _ in range(effort.rounds)
    ]

    def row(what: str, spreads: Mapping[str, Spread], unit: Unit = "ms") -> Row:
        return Row(what, workload.name, spreads, unit, size)

    device = places[DEVICE]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    vanilla = _steps(workload, "vanilla", places)
    first = rounds[0][:_COMPARED_STEPS]
    require_equal_losses(*(_losses(vanilla[title], first) for title in (DEVICE, HOST)))
    yield row("batch, laid out and moved", _timed(_laying_out, vanilla, rounds))
    yield row("training step", _timed(_training, vanilla, rounds))
    sdr = _steps(workload, "sdr[warm_up=0]", places)
    yield row("training step of sdr", _timed(_training, sdr, rounds))
    if device.type == "cuda":
        peak = float(torch.cuda.max_memory_allocated(device))
        yield row("peak memory, both at once", {DEVICE: Spread.of([peak])}, "MB")
    yield row("samples, epoch with validation", _epochs(workload, size, places, effort), "1/s")


def _steps(
    workload: Workload, method: str, places: Mapping[str, torch.device]
) -> dict[str, MethodSteps]:
    return {
        title: MethodSteps(begin_run(workload, method, device=place))
        for title, place in places.items()
    }


def _losses(steps: MethodSteps, batches: Sequence[np.ndarray]) -> list[float]:
    return [float(steps.train_on(steps.batch(positions))) for positions in batches]


def _timed(
    task_of: Callable[[MethodSteps, Batches], Callable[[int], object]],
    steps: Mapping[str, MethodSteps],
    rounds: Batches,
) -> dict[str, Spread]:
    """Seconds that a task takes for a batch, wherever it is done, in turns."""
    tasks = {title: task_of(each, rounds) for title, each in steps.items()}
    spreads = interleaved(tasks, len(rounds))
    return {title: spread.times(1 / len(rounds[0])) for title, spread in spreads.items()}


def _laying_out(steps: MethodSteps, rounds: Batches) -> Callable[[int], object]:
    def run(number: int) -> None:
        for positions in rounds[number]:
            steps.batch(positions)
        steps.wait()

    return run


def _training(steps: MethodSteps, rounds: Batches) -> Callable[[int], object]:
    """Batch, loss, gradients and update, as a whole: what is launched together overlaps."""

    def run(number: int) -> None:
        for positions in rounds[number]:
            steps(positions)
        steps.wait()

    return run


def _epochs(
    workload: Workload, size: int, places: Mapping[str, torch.device], effort: Effort
) -> dict[str, Spread]:
    """Seconds a sample of whole epochs of `vanilla`, by the training loop itself."""
    budget = TrainingSettings(epochs=_EPOCHS, batch_size=size)
    samples = len(workload.split.train) // size * size
    seconds: dict[str, list[float]] = {title: [] for title in places}
    for _ in range(effort.epoch_rounds):
        for title, place in places.items():
            history = begin_run(workload, "vanilla", budget, place).fit().history
            # A first epoch makes what later ones find made.
            seconds[title].append(mean(report.seconds for report in history[1:]) / samples)
    return {title: Spread.of(values) for title, values in seconds.items()}
