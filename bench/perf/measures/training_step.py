"""One training step of a contestant, as the training loop does it."""

from __future__ import annotations

import numpy as np
from torch.nn.functional import cross_entropy

from bench.perf.contestants.contestant import Contestant
from bench.training.optimiser import make_optimiser
from bench.training.settings import TrainingSettings


class TrainingStep:
    """Batch, cross-entropy, gradients and a step of Adam, with the benchmark's settings."""

    def __init__(self, contestant: Contestant) -> None:
        self._contestant = contestant
        parameters = list(contestant.network.parameters())
        self._optimiser = make_optimiser(parameters, TrainingSettings())

    def __call__(self, positions: np.ndarray) -> None:
        """Train on the samples at `positions`, shape (B,)."""
        batch = self._contestant.collate(positions)
        loss = cross_entropy(self._contestant.network(batch), self._contestant.labels(batch))
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
