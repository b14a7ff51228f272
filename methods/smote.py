"""Classifier re-training on the vanilla run's embeddings and on ones between them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import Stage, log_shares, register_method
from bench.models.network import Network
from bench.options import Options, Range
from bench.seeds import derive_seed

from ._posthoc import OnVanilla
from .losses.smote import interpolated, nearest_in_class
from .sampling import balanced_epoch


class SMOTEOptions(Options):
    """Settings of SMOTE on embeddings."""

    neighbours: Annotated[int, Range(1, 10)] = Field(
        5, ge=1, description="nearest samples of its class that a sample is mixed with"
    )
    share: Annotated[float, Range(0.1, 0.5)] = Field(
        0.3, gt=0, le=1, description="epochs for the head, as a part of the run's"
    )


@register_method(
    "smote",
    title="SMOTE",
    group="extension",
    reference="Chawla et al., JAIR 16 (2002), 10.1613/jair.953",
)
class SMOTE(OnVanilla):
    """Trains a new head on the vanilla run's embeddings, rare classes filled up in between.

    Formula: ``x = x_i + u (x_j - x_i)``, ``u ~ U(0, 1)``, ``x_j`` one of the nearest samples of
    the class of i. ``L = CE(z, y)`` over the head's parameters alone, on ``floor(N / K)`` draws
    from each class; one of class k is a sample itself with probability ``n_k / n_max`` and else
    synthetic, as if every class had been filled up to the largest.

    Settings: ``neighbours``, 5 here as in the original; ``share`` in (0, 1], 0.3 as in
    ``decoupling``. Cost: the vanilla run (shared with that row), once the distances within classes
    (quadratic in the second largest), and 30 % of the epochs with only the head training and no
    pass through the encoder.

    When it helps: where embeddings between two of a class belong to it, and a head that sees the
    few samples of a class over and over learns them by heart. With two classes only the smaller
    one is filled up.

    What differs: the original mixes inputs; between fingerprints or graphs there is nothing, so
    here embeddings are mixed. Synthetic samples are new in every epoch instead of drawn once. A
    class of fewer than ``neighbours`` others has those that there are, and one of a single sample
    only repeats it; imbalanced-learn refuses both.
    """

    options_type = SMOTEOptions
    options: SMOTEOptions
    # Of no use once trained, and found again by a run that goes on: not part of its state.
    embeddings: Tensor
    partners: Tensor
    partner_counts: Tensor
    rows: Tensor
    original: Tensor

    def setup(self) -> None:
        counts = self.context.class_counts
        self._keep("original", counts / counts.max())
        self._keep("partner_counts", (counts - 1).clamp(0, self.options.neighbours))
        for name in ("embeddings", "partners", "rows"):
            self._keep(name, torch.empty(0))

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("head", self.options.share, trained=lambda network: network.head),)

    def begin_stage(self, index: int, network: Network) -> None:
        network.head.reset(derive_seed(self.context.seed, "second stage"))

    def begin_epoch(self, epoch: int, network: Network) -> None:
        if len(self.embeddings):
            return
        view = self.context.view
        self.embeddings = view.embeddings(network, "train")
        self.partners = self._partners(self.embeddings)
        positions = view.positions("train")
        self.rows = torch.zeros(int(positions.max()) + 1, dtype=torch.int64).to(positions)
        self.rows[positions] = torch.arange(len(positions)).to(positions)

    def sample_epoch(self, epoch: int) -> np.ndarray:
        return balanced_epoch(self.context, epoch, draw=epoch)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        rows, labels = self.rows[batch.positions], batch.labels
        synthetic, which, share = torch.rand(
            (3, len(rows)),
            generator=self.context.generator,
            device=rows.device,
            dtype=self.embeddings.dtype,
        )
        counts = self.partner_counts[labels]
        place = (which * counts).long().minimum((counts - 1).clamp_min(0))
        mixed = interpolated(
            self.embeddings[rows],
            self.embeddings[self.partners[rows, place]],
            share * (synthetic >= self.original[labels]),
        )
        return self.loss(network.head(mixed), labels)

    def implied_log_prior(self) -> Tensor:
        # As in decoupling: as many draws from every class.
        return log_shares(torch.zeros(self.context.num_classes))

    def _keep(self, name: str, tensor: Tensor) -> None:
        self.register_buffer(name, tensor, persistent=False)

    def _partners(self, embeddings: Tensor) -> Tensor:
        """Rows to mix each sample with, (n, neighbours); where there are fewer, itself."""
        labels, counts = self.context.labels, self.context.class_counts
        partners = np.arange(len(labels))[:, None].repeat(self.options.neighbours, axis=1)
        for label in np.flatnonzero((counts < counts.max()).numpy()):
            members = np.flatnonzero(labels == label)
            if len(members) > 1:
                among = embeddings[torch.from_numpy(members).to(embeddings.device)]
                near = nearest_in_class(among, self.options.neighbours).cpu().numpy()
                partners[members, : near.shape[1]] = members[near]
        return torch.from_numpy(partners).to(embeddings.device)
