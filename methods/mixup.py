"""Mixup of embeddings."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import Method, register_method
from bench.models.network import Network
from bench.options import Options, Range

from .losses.mixup import draw_mixing, mix, mixup_loss


class MixupOptions(Options):
    """Settings of mixup."""

    alpha: Annotated[float, Range(0.1, 1, "log")] = Field(
        1.0, ge=0, description="shares come from Beta(alpha, alpha); 0: nothing is mixed"
    )


@register_method(
    "mixup",
    title="Mixup",
    group="paper",
    reference="Zhang et al., ICLR 2018, arXiv 1710.09412",
)
class Mixup(Method):
    """Trains on mixtures of two samples and of their labels, one share a batch.

    Formula: ``e = lam e_i + (1 - lam) e_j`` for embeddings of a sample and its random partner,
    ``L = lam CE(head(e), y_i) + (1 - lam) CE(head(e), y_j)``, ``lam ~ Beta(alpha, alpha)``.

    Settings: ``alpha`` >= 0, 1 here. Cost: as vanilla.

    When it helps: a regulariser against over-confidence. It knows nothing of class sizes, so
    balanced accuracy stays near vanilla's.

    What differs: graphs cannot be averaged, so what is mixed is the embedding of the sample (of
    all its entities), as in ImDrug. The original mixes inputs.
    """

    options_type = MixupOptions
    options: MixupOptions

    def setup(self) -> None:
        self.rng = self.context.rng("mixup")

    def begin_epoch(self, epoch: int, network: Network) -> None:
        self.rng = self.context.rng("mixup", epoch)

    def label_shares(self, lam: float, labels: Tensor, partner_labels: Tensor) -> float | Tensor:
        """Share of each sample's own label, where its embedding has share `lam`."""
        return lam

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        embeddings = network.encode(batch)
        lam, order = draw_mixing(self.rng, alpha=self.options.alpha, batch_size=len(batch))
        partners = torch.from_numpy(order).to(embeddings.device, non_blocking=True)
        partner_labels = batch.labels[partners]
        return mixup_loss(
            network.head(mix(embeddings, partners, lam)),
            batch.labels,
            partner_labels,
            self.label_shares(lam, batch.labels, partner_labels),
        )
