"""What a method may see of the data as a whole: the training and the validation part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.data.batch import Batch
from bench.data.collate import Collator
from bench.method import Part
from bench.models.network import Network
from bench.split import Split
from bench.training.evaluation import EvaluationBatches


@dataclass(frozen=True)
class SplitView:
    """A :class:`bench.method.DataView` on one split."""

    collator: Collator
    split: Split
    device: torch.device

    @torch.no_grad()
    def embeddings(self, network: Network, part: Part = "train") -> Tensor:
        """``network.encode`` of every sample, in evaluation mode; (n, d)."""
        network.eval()
        return torch.cat([network.encode(batch) for batch in self._batches(part)])

    @torch.no_grad()
    def logits(self, network: Network, part: Part = "valid") -> Tensor:
        """Logits of every sample, not adjusted, in evaluation mode; (n, K)."""
        network.eval()
        return torch.cat([network(batch) for batch in self._batches(part)])

    def labels(self, part: Part) -> Tensor:
        """Labels, int64, (n,)."""
        return torch.from_numpy(self.collator.labels[self._positions(part)]).to(self.device)

    def positions(self, part: Part) -> Tensor:
        """Positions of the samples, as ``Batch.positions`` counts them; (n,)."""
        return torch.from_numpy(np.array(self._positions(part))).to(self.device)

    def _positions(self, part: Part) -> np.ndarray:
        if part not in ("train", "valid"):
            raise ValueError(f"Expected the part train or valid, but got {part!r}.")
        return self.split.train if part == "train" else self.split.valid

    def _batches(self, part: Part) -> Iterable[Batch]:
        return EvaluationBatches(self.collator, self._positions(part), self.device)
