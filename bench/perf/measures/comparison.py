"""Batches, training steps, epochs and evaluation, by all backends in turns."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np

from bench.errors import UsageError
from bench.perf.backends.available import available_stacks
from bench.perf.backends.backend import Backend
from bench.perf.backends.equality import require_equal_logits
from bench.perf.backends.ours import Ours
from bench.perf.effort import Effort
from bench.perf.flops import (
    ONEDNN,
    PRODUCTS,
    SHAPES,
    TORCH,
    MatrixProduct,
    count_multiply_adds,
)
from bench.perf.measures.training_step import TrainingStep
from bench.perf.progress import say
from bench.perf.results import Row
from bench.perf.spread import Spread, interleaved
from bench.perf.workload import Workload

# Batches are drawn from many samples, as in an epoch: what a step reads is seldom in a cache.
_POOLED_SAMPLES = 16_384

Batches = list[list[np.ndarray]]
"""Positions of each batch of each round."""


def comparison(
    dataset: str, batch_sizes: Sequence[int], threads: int, effort: Effort, data_dir: Path | None
) -> list[Row]:
    """Rows of one data set, with the number of threads that this process has.

    Raises
    ------
    UnequalLogitsError
        The backends do not compute the same.
    """
    workload = Workload.open(dataset, data_dir)
    pool = workload.training_samples(max(_POOLED_SAMPLES, max(batch_sizes)))
    if len(pool) < max(batch_sizes):
        raise UsageError(
            f"Expected --batch-sizes of at most {len(pool)}, the training samples of {dataset}, "
            f"but got {max(batch_sizes)}."
        )
    test = workload.split.test[: effort.evaluated]
    say(f"{dataset}, {threads} thread(s): making the graphs of {len(pool) + len(test)} samples")
    backends = _backends(workload, np.concatenate([pool, test]))
    # A garbage collection would walk through the graph objects while others are timed.
    gc.collect()
    gc.freeze()
    rows: list[Row] = []
    weights = deepcopy(backends[0].network.state_dict())
    for size in batch_sizes:
        for backend in backends:  # whom the last size has trained apart
            backend.network.load_state_dict(weights)
        require_equal_logits(backends, pool[:size])
        say(f"{dataset}, {threads} thread(s): steps of {size} samples (logits are equal)")
        rows += _steps(workload, backends, pool, size, threads, effort)
    say(f"{dataset}, {threads} thread(s): evaluating {len(test)} samples")
    return [*rows, *_evaluation(workload, backends, test, threads, effort)]


def _backends(workload: Workload, positions: np.ndarray) -> list[Backend]:
    ours = Ours(workload.prepared)
    weights = ours.network.state_dict()
    return [ours, *(stack(workload.prepared, positions, weights) for stack in available_stacks())]


def _steps(
    workload: Workload,
    backends: Sequence[Backend],
    pool: np.ndarray,
    size: int,
    threads: int,
    effort: Effort,
) -> Iterator[Row]:
    rng = np.random.default_rng(size)
    batches = [
        [rng.choice(pool, size, replace=False) for _ in range(effort.steps)]
        for _ in range(effort.rounds)
    ]

    def row(
        what: str, spreads: dict[str, Spread], floor: float | None = None, floor_by: str = ""
    ) -> Row:
        return Row(what, workload.name, spreads, "ms", size, threads, floor, floor_by)

    made = interleaved({c.title: _each(batches, c.collate) for c in backends}, effort.rounds)
    yield row("batch", {title: spread.times(1 / effort.steps) for title, spread in made.items()})

    for backend in backends:
        backend.network.train()
    steps = {backend.title: TrainingStep(backend) for backend in backends}
    products = {
        (library, shape): MatrixProduct(*shape, product)
        for library, product in PRODUCTS.items()
        for shape in SHAPES
    }
    trained = {title: _each(batches, step) for title, step in steps.items()}
    named = {str(key): product for key, product in products.items()}
    taken = interleaved({**trained, **named}, effort.rounds)
    needed = count_multiply_adds(lambda: trained[Ours.title](0)) / effort.steps
    floors = {
        library: min(
            (
                taken[str(key)].times(needed / product.multiply_adds)
                for key, product in products.items()
                if key[0] == library
            ),
            key=_median,
        )
        for library in PRODUCTS
    }
    fastest = min(floors, key=lambda library: floors[library].median)
    step = {title: taken[title].times(1 / effort.steps) for title in steps}
    yield row("training step", step, floors[fastest].median, fastest)
    by = {title: ONEDNN if title == Ours.title and ONEDNN in floors else TORCH for title in step}
    yield row("its matrix products alone", {title: floors[by[title]] for title in step})

    per_epoch = len(workload.split.train) // size
    epoch = {title: spread.times(per_epoch) for title, spread in step.items()}
    yield Row("epoch (steps only)", workload.name, epoch, "s", size, threads)


def _median(spread: Spread) -> float:
    return spread.median


def _each(batches: Batches, work: Callable[[np.ndarray], object]) -> Callable[[int], None]:
    """`work` on every batch of a round."""

    def run(number: int) -> None:
        for positions in batches[number]:
            work(positions)

    return run


def _evaluation(
    workload: Workload,
    backends: Sequence[Backend],
    positions: np.ndarray,
    threads: int,
    effort: Effort,
) -> Iterator[Row]:
    def predicting(backend: Backend) -> Callable[[int], object]:
        return lambda _round: backend.predict(positions)

    def predicting_again(backend: Backend) -> Callable[[int], object]:
        return lambda _round: backend.predict_again(positions)

    # Training evaluates the same validation samples after every epoch, hence the second row.
    what = f"evaluation of {len(positions):,} samples"
    for title, each in ((what, predicting), (f"{what}, again", predicting_again)):
        tasks = {backend.title: each(backend) for backend in backends}
        spreads = interleaved(tasks, effort.long_rounds)
        yield Row(title, workload.name, spreads, "ms", threads=threads)
