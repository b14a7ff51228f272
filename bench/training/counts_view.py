"""What whoever loads a model knows of its data: how many samples each class had."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bench.errors import ModelError
from bench.method import Part
from bench.models.network import Network


def labels_of(counts: Sequence[int]) -> np.ndarray:
    """Labels of `counts` samples a class, in the order of classes, int64, (n,)."""
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts)


class CountsView:
    """A data view, see :class:`bench.method.DataView`, of class counts alone.

    Parameters
    ----------
    train, valid : sequence of int, length K
        Samples of each class.
    device : torch.device
        Where labels and positions are.
    """

    def __init__(
        self, train: Sequence[int], valid: Sequence[int], device: torch.device | str = "cpu"
    ) -> None:
        self._counts = {"train": train, "valid": valid}
        self._device = device

    def labels(self, part: Part) -> Tensor:
        """Labels of as many samples of each class, int64, (n,)."""
        return torch.from_numpy(labels_of(self._counts[part])).to(self._device)

    def positions(self, part: Part) -> Tensor:
        """As many positions, int64, (n,)."""
        return torch.arange(len(self.labels(part)), device=self._device)

    def embeddings(self, network: Network, part: Part = "train") -> Tensor:
        """Not known."""
        raise self._unknown("embeddings")

    def logits(self, network: Network, part: Part = "valid") -> Tensor:
        """Not known."""
        raise self._unknown("logits")

    def _unknown(self, what: str) -> ModelError:
        return ModelError(
            f"Expected setup and initialise to need no data but what a model's card has, but "
            f"they read {what}. Read the data in begin_stage, begin_epoch or conclude, and keep "
            "what is made of it in buffers."
        )
