"""One training step of a backend, as the training loop does it."""

from __future__ import annotations

import numpy as np
from torch.nn.functional import cross_entropy

from bench.perf.backends.backend import Backend
from bench.training.optimiser import make_optimiser
from bench.training.settings import TrainingSettings


class TrainingStep:
    """Batch, cross-entropy, gradients and a step of Adam, with the benchmark's settings."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        parameters = list(backend.network.parameters())
        self._optimiser = make_optimiser(parameters, TrainingSettings())

    def __call__(self, positions: np.ndarray) -> None:
        """Train on the samples at `positions`, shape (B,)."""
        batch = self._backend.collate(positions)
        loss = cross_entropy(self._backend.network(batch), self._backend.labels(batch))
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
