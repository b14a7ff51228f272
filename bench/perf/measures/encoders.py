"""Epochs of an encoder, beside another package's and beside those of `gcn`."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.errors import UsageError
from bench.perf.backends.available import available_peer
from bench.perf.backends.backend import Backend
from bench.perf.backends.equality import require_equal_logits
from bench.perf.backends.ours import Ours
from bench.perf.effort import Effort
from bench.perf.measures.training_step import TrainingStep
from bench.perf.progress import say
from bench.perf.results import OURS, Comparison, Row
from bench.perf.spread import interleaved
from bench.perf.workload import Workload
from bench.spec import parse_spec

_REFERENCE = "gcn"
# PyTorch Geometric's AttentiveFP reads bonds in scores alone, ours in messages, too, by default.
ENCODERS = ("gin", "gine", "gat", "dmpnn", "attentivefp", "attentivefp[bonds=scores]", "mpnn_ecfp")
_ALONE = ("attentivefp",)
# Fewer than in the comparison: each encoder's process makes the graphs of its peer.
_POOLED_SAMPLES = 4096


def encoder_epochs(
    dataset: str, encoder: str, batch_size: int, effort: Effort, data_dir: Path | None
) -> list[Row | Comparison]:
    """Epochs of one encoder, without validation, in turns with its peer's and with `gcn`'s.

    In a process of its own: what the last encoder left of the memory made the next up to a
    quarter faster.

    Raises
    ------
    UnequalLogitsError
        An encoder and its peer do not compute the same.
    """
    workload = Workload.open(dataset, data_dir)
    pool = workload.training_samples(max(_POOLED_SAMPLES, batch_size))
    if len(pool) < batch_size:
        raise UsageError(
            f"Expected --batch-sizes of at most {len(pool)}, the training samples of {dataset}, "
            f"but got {batch_size}."
        )
    rng = np.random.default_rng(batch_size)
    batches = [
        [rng.choice(pool, batch_size, replace=False) for _ in range(effort.steps)]
        for _ in range(effort.rounds)
    ]
    say(f"{dataset}: {encoder}, steps of {batch_size} samples")
    return _epochs(workload, encoder, pool, batches)


def _epochs(
    workload: Workload, encoder: str, pool: np.ndarray, batches: list[list[np.ndarray]]
) -> list[Row | Comparison]:
    size = len(batches[0][0])
    backends = _backends(workload, encoder, pool)
    require_equal_logits(backends, pool[:size])
    tasks = {backend.title: _training(backend, batches) for backend in backends}
    tasks[_REFERENCE] = _training(Ours(workload.prepared, _REFERENCE), batches)
    # A garbage collection would walk through the graph objects while others are timed.
    gc.collect()
    spreads = interleaved(tasks, len(batches))
    scale = len(workload.split.train) // size / len(batches[0])
    epochs = {title: spread.times(scale) for title, spread in spreads.items()}
    reference = epochs.pop(_REFERENCE)
    return [
        Row(f"epoch of {encoder} (steps only)", workload.name, epochs, "s", size),
        Comparison(
            f"epoch of an encoder (steps only), batch {size}",
            workload.name,
            "s",
            (_REFERENCE, reference),
            (encoder, epochs[OURS]),
        ),
    ]


def _backends(workload: Workload, encoder: str, pool: np.ndarray) -> list[Backend]:
    ours = Ours(workload.prepared, encoder)
    peer = None if encoder in _ALONE else available_peer(parse_spec(encoder).name)
    return [ours] if peer is None else [ours, peer(workload.prepared, pool, ours.network)]


def _training(backend: Backend, batches: list[list[np.ndarray]]) -> Callable[[int], None]:
    """Training steps on every batch of a round."""
    backend.network.train()
    step = TrainingStep(backend)

    def run(number: int) -> None:
        for positions in batches[number]:
            step(positions)

    return run
