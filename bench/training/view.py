"""What a method may see of the data as a whole: the training and the validation set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.batch import Batch
from bench.data.collate import Collator
from bench.method import Part
from bench.models.network import Network
from bench.split import Split
from bench.training.evaluation import EvaluationBatches


class SplitView:
    """A :class:`bench.method.DataView` on one split.

    Parameters
    ----------
    collator : Collator
        In a run it knows no labels of the test set.
    split : Split
    device : torch.device
        Where the networks are that the view is asked about.
    """

    def __init__(self, collator: Collator, split: Split, device: torch.device) -> None:
        self._collator, self._device = collator, device
        self._parts = {"train": split.train, "valid": split.valid}

    def embeddings(self, network: Network, part: Part = "train") -> Tensor:
        """``network.encode`` of every sample, in evaluation mode; (n, d)."""
        return self._of_all(network, network.encode, part)

    def logits(self, network: Network, part: Part = "valid") -> Tensor:
        """Logits of every sample, not adjusted, in evaluation mode; (n, K)."""
        return self._of_all(network, network, part)

    def labels(self, part: Part) -> Tensor:
        """Labels, int64, (n,)."""
        labels = self._collator.labels_of(self._positions(part))
        return torch.from_numpy(labels).to(self._device)

    def positions(self, part: Part) -> Tensor:
        """Positions of the samples, as ``Batch.positions`` counts them; (n,)."""
        return torch.from_numpy(np.array(self._positions(part))).to(self._device)

    def _positions(self, part: Part) -> np.ndarray:
        if part not in self._parts:
            raise ValueError(f"Expected the set train or valid, but got {part!r}.")
        return self._parts[part]

    @torch.no_grad()
    def _of_all(self, network: Network, of: Callable[[Batch], Tensor], part: Part) -> Tensor:
        with _evaluation_mode(network):
            return torch.cat([of(batch) for batch in self._batches(part)])

    def _batches(self, part: Part) -> Iterable[Batch]:
        return EvaluationBatches(self._collator, self._positions(part))


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Each module is put back into its own mode: of a network, a part may be frozen."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
