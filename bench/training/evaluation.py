"""Scores of a trained network on one part of a split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from bench.data.batch import Batch
from bench.data.collate import Collator
from bench.method import Method
from bench.models.network import Network

# Evaluation keeps no activations for a backward pass, so it can take larger batches than training.
EVALUATION_BATCH = 4096


def evaluation_batches(
    collator: Collator, positions: np.ndarray, device: torch.device
) -> Iterator[Batch]:
    """The samples at `positions`, in that order, in large batches."""
    for chunk in np.array_split(positions, max(1, -(-len(positions) // EVALUATION_BATCH))):
        yield collator(chunk).to(device)


@torch.no_grad()
def predict_logits(
    network: Network, method: Method, collator: Collator, positions: np.ndarray
) -> np.ndarray:
    """Logits that `method` predicts with, of the samples at `positions`, in that order.

    Puts `network` and `method` into evaluation mode.

    Returns
    -------
    ndarray of float32, shape (len(positions), K)
    """
    network.eval()
    method.eval()
    device = next(network.parameters()).device
    return np.concatenate(
        [
            method.predict(network, batch).float().cpu().numpy()
            for batch in evaluation_batches(collator, positions, device)
        ]
    )
