"""Backends are compared only when they compute the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bench.errors import BenchError
from bench.perf.backends.backend import Backend

# Equal mathematics shows in float64. In float32, logits of 512 reactions by DGL and by PyG were up
# to 2e-4 away from their own in float64.
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}


class UnequalLogitsError(BenchError):
    """A backend does not compute what ours computes; its times would mean nothing."""

    exit_code = 1


def require_equal_logits(backends: Sequence[Backend], positions: np.ndarray) -> None:
    """Compare the logits of the samples at `positions` with those of the first backend.

    In float64 and in float32; in training mode, where BatchNorm takes the statistics of the
    batch, and then in evaluation mode, where it takes those that the training pass has left.

    Raises
    ------
    UnequalLogitsError
        Some differ by more than 1e-9 in float64 or 1e-3 in float32.
    """
    for dtype, tolerance in TOLERANCES.items():
        for mode in ("training", "evaluation"):
            expected, *others = (_logits(c, positions, dtype, mode) for c in backends)
            for backend, logits in zip(backends[1:], others, strict=True):
                difference = float((logits - expected).abs().max())
                # Written so that nan fails.
                if not difference <= tolerance:
                    raise UnequalLogitsError(
                        f"Expected the same logits from {backend.title} as from "
                        f"{backends[0].title} within {tolerance:g} on {len(positions)} samples "
                        f"in {mode} mode and {dtype}, but they differ by {difference:g}. Nothing "
                        "is timed before both compute the same: compare their layers one by one."
                    )


@torch.no_grad()
def _logits(backend: Backend, positions: np.ndarray, dtype: torch.dtype, mode: str) -> Tensor:
    network = backend.network.to(dtype).train(mode == "training")
    return network(backend.cast(backend.collate(positions), dtype))
