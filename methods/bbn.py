"""Two heads, one for the data as they are and one for the tail, mixed by a sinking share."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from bench.data.batch import Batch
from bench.method import Method, register_method
from bench.models.head import Head
from bench.models.network import Network
from bench.seeds import derive_seed

from ._pairs import pair_places
from .losses.mixup import mixup_loss
from .sampling import draw_by_shares, power_shares


@register_method(
    "bbn",
    title="BBN",
    group="extension",
    reference="Zhou et al., CVPR 2020, arXiv 1912.02413",
)
class BilateralBranch(Method):
    """Learns from uniform and from tail-heavy samples side by side, shifting to the tail.

    Formula: ``z = 2 (a head(e_c) + (1 - a) head'(e_r))`` and
    ``L = a CE(z, y_c) + (1 - a) CE(z, y_r)`` for pairs of a sample c drawn uniformly and a sample
    r of class k with ``p_k ~ 1 / n_k``; ``a = 1 - ((epoch - 1) / epochs)^2``. Prediction is
    ``head(e) + head'(e)``: both branches in equal shares.

    Settings: none. Cost: an epoch visits every sample once and draws as many for the tail, so
    twice vanilla.

    When it helps: in long trainings; ``head'`` learns nothing in the first epoch and little in
    the next ones.

    What differs: the branches are two heads with three hidden layers each on one encoder; the
    original has two last residual blocks and one classifier, whose bias counts once. Uniform and
    tail samples stand in one batch of the common size, half and half, and share its batch
    statistics; the original takes two batches of that size at a step. ImDrug's row of this name
    has one head and shares drawn at random: mixup with a tail-heavy partner.
    """

    second_head: Head

    def setup(self) -> None:
        self.share, self.visited = 1.0, 0

    def initialise(self, network: Network) -> None:
        self.second_head = copy.deepcopy(network.head)
        self.second_head.reset(derive_seed(self.context.seed, "second head"))

    def begin_epoch(self, epoch: int, network: Network) -> None:
        self.share = branch_share(epoch, self.context.epochs)

    def sample_epoch(self, epoch: int) -> np.ndarray:
        """Samples as they are and samples for the tail, taking turns, (2n,)."""
        self.visited = 0
        labels = self.context.labels
        shares = power_shares(self.context.class_counts.numpy(), power=-1)
        tail = draw_by_shares(labels, shares, len(labels), self.context.rng("tail", epoch))
        return np.stack([super().sample_epoch(epoch), tail], axis=1).reshape(-1)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        embeddings = network.encode(batch)
        uniform, tail = self._pairs(len(batch), embeddings.device)
        # In the first epoch it has no weight, and weight decay alone would take it to 0.
        with torch.set_grad_enabled(self.share < 1):
            second = self.second_head(embeddings[tail])
        logits = mixed_logits(network.head(embeddings[uniform]), second, self.share)
        return mixup_loss(logits, batch.labels[uniform], batch.labels[tail], self.share)

    def predict(self, network: Network, batch: Batch) -> Tensor:
        embeddings = network.encode(batch)
        return mixed_logits(network.head(embeddings), self.second_head(embeddings), 0.5)

    def _pairs(self, size: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """Places of the pairs' samples in the next batch of `size`."""
        first, second = pair_places(size, self.visited, device)
        self.visited += size
        return first, second


def branch_share(epoch: int, epochs: int) -> float:
    """Share of the branch for the data as they are, ``1 - ((e - 1) / T)^2``, e from 1 to T.

    Zhou et al., CVPR 2020, arXiv 1912.02413, section 4.3.

    Examples
    --------
    >>> [branch_share(epoch, 4) for epoch in (1, 2, 3, 4)]
    [1.0, 0.9375, 0.75, 0.4375]
    """
    return 1 - ((epoch - 1) / epochs) ** 2


def mixed_logits(uniform: Tensor, tail: Tensor, share: float) -> Tensor:
    """``2 (a z_c + (1 - a) z_r)``, shape (B, K), from both branches' logits (B, K)."""
    return 2 * (share * uniform + (1 - share) * tail)
