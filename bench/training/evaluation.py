"""Scores of a trained network on one set of a split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from bench.data.batch import Batch
from bench.data.collate import Collator
from bench.method import Method
from bench.models.network import Network

# Evaluation keeps no activations for a backward pass, so it can take larger batches than training.
EVALUATION_BATCH = 4096
# Batches of a part this small, some tens of megabytes, are kept from epoch to epoch.
_KEPT = 32_768


class EvaluationBatches:
    """The samples at `positions` in large batches, in that order; can be gone through again.

    The batches have no labels: they are predicted.

    Parameters
    ----------
    collator : Collator
    positions : ndarray of int, shape (n,)
    """

    def __init__(self, collator: Collator, positions: np.ndarray) -> None:
        self._collator, self._positions = collator, positions
        self._kept: list[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        if len(self._positions) > _KEPT:
            return self._made()
        if self._kept is None:
            self._kept = list(self._made())
        return iter(self._kept)

    def _made(self) -> Iterator[Batch]:
        parts = max(1, -(-len(self._positions) // EVALUATION_BATCH))
        for batch in self._collator.epoch(np.array_split(self._positions, parts)):
            yield batch.without_labels()


@torch.no_grad()
def predict_logits(network: Network, method: Method, batches: Iterable[Batch]) -> np.ndarray:
    """Logits that `method` predicts with, of all samples in `batches`, in their order.

    Puts `network` and `method` into evaluation mode.

    Returns
    -------
    ndarray of float32, shape (n, K)
    """
    network.eval()
    method.eval()
    # Of another device, the host waits for all batches together.
    logits = torch.cat([method.predict(network, batch).float() for batch in batches])
    return logits.cpu().numpy()


def mean_cross_entropy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Mean negative log-probability of the true classes, in nats.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    logits : ndarray of float, shape (n, K)
        Finite.
    """
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    of_truth = shifted[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - of_truth))
