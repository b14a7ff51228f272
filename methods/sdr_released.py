"""Control: what the code released with the paper means to do, on this benchmark's network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from bench.data.batch import Batch
from bench.method import Method, log_shares, register_method
from bench.models.network import Network
from bench.options import Options, Range

from .contrastive.distances import class_distances, softmax_shares
from .contrastive.method import augment
from .losses.cross_entropy import weighted_cross_entropy
from .losses.subcluster import subcluster_loss
from .losses.supcon import supcon_loss
from .sampling import balanced_epoch

# Probabilities with which a bond goes, one a view.
DROPPED_BONDS = (0.15, 0.10)
TEMPERATURE, BASE_TEMPERATURE, BETA = 0.1, 0.07, 0.25


class SDRReleasedOptions(Options):
    """Schedule of the released code as shares of the epochs; 10 of 300 there."""

    warm_up: Annotated[float, Range(0.02, 0.2)] = Field(
        1 / 30, ge=0, lt=1, description="share of the epochs without CE"
    )
    update_interval: Annotated[float, Range(0.02, 0.2, "log")] = Field(
        1 / 30, gt=0, le=1, description="share of the epochs from one weighting to the next"
    )


@register_method(
    "sdr_released",
    title="SDR from released code",
    group="control",
    reference="code released with LTDD, 2025, arXiv 2504.04647 (womale/LTDD, commit f4165d4)",
)
class SDRReleased(Method):
    """A class-balanced bootstrap, then supervised contrast and cross-entropy in one loss.

    Formula: ``L = (0.1 / 0.07) (term 1) + 0.25 (term 2) + CE`` with the terms of
    :func:`.losses.subcluster.subcluster_loss` at temperature 0.1, where every class is one
    sub-cluster: the bootstrap makes all classes equal before they are counted, so none is cut,
    and term 2 pulls together only the two views of a sample. CE is weighted by ``softmax(-d)``, d
    the distance to the nearest other centroid, which is [0.5, 0.5] for two classes, and averaged
    over its weights. In warm-up ``L`` is supervised contrast.

    Settings: ``warm_up`` in [0, 1) and ``update_interval`` in (0, 1], 1/30 each here. Cost: about
    twice vanilla's epoch.

    When it helps: the bootstrap is a correction of the prior, see ``class_balanced_sampling``,
    whose draw it shares. A control: it differs from the paper's text in nearly all parts (``sdr``).

    What differs: kept are the bootstrap, drawn once; two views by degree-weighted loss of bonds (p
    0.15 and 0.10, at most 0.7); the unit-normalised embedding, without projection, in the
    contrast; the embedding of the first view, as it is, in the classifier; gradients of CE in the
    encoder; coefficients; batch of 128; selection after warm-up. Not kept are encoder, head,
    optimiser and schedule, which are the benchmark's; that a bond goes in one direction only; one
    epoch of contrast between warm-up and the first CE; and one graph a sample: all inputs of a
    sample are used, only its molecules are varied. The released files do not run.
    """

    options_type = SDRReleasedOptions
    options: SDRReleasedOptions
    omega: Tensor

    def setup(self) -> None:
        self.warming_up = True
        classes = self.context.num_classes
        self.register_buffer("omega", torch.full((classes,), 1 / classes, dtype=torch.float64))

    def sample_epoch(self, epoch: int) -> np.ndarray:
        return balanced_epoch(self.context, epoch, draw=0)

    def begin_epoch(self, epoch: int, network: Network) -> None:
        epochs = self.context.epochs
        self.warming_up = not self.selectable(epoch)
        since = epoch - 1 - int(self.options.warm_up * epochs)
        if since >= 0 and since % max(1, round(self.options.update_interval * epochs)) == 0:
            self._weight_classes(network)

    def selectable(self, epoch: int) -> bool:
        return epoch > self.options.warm_up * self.context.epochs

    def report(self) -> Mapping[str, Any]:
        return {"omega": self.omega.tolist()}

    def implied_log_prior(self) -> Tensor:
        # As many draws from every class, each of which weighs omega_k.
        return log_shares(self.omega.cpu().log())

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        generator, labels = self.context.generator, batch.labels
        first, second = (
            network.encode(augment(batch, "drop_bonds", generator, ratio=probability, mask=0.0))
            for probability in DROPPED_BONDS
        )
        features = normalize(torch.cat([first, second]), dim=1)
        if self.warming_up:
            return supcon_loss(features, labels, temperature=TEMPERATURE)
        contrast = subcluster_loss(
            features,
            labels,
            labels,
            tau1=TEMPERATURE,
            tau2=TEMPERATURE,
            beta=BETA,
            scale=TEMPERATURE / BASE_TEMPERATURE,
        )
        logits = network.head(first)
        return contrast + weighted_cross_entropy(logits, labels, self.omega, reduction="normalised")

    @torch.no_grad()
    def _weight_classes(self, network: Network) -> None:
        # The order does not matter to centroids.
        drawn = torch.from_numpy(self.sample_epoch(1))
        embeddings = self.context.view.embeddings(network, "train")
        labels = torch.from_numpy(self.context.labels)[drawn].to(embeddings.device)
        features = normalize(embeddings[drawn.to(embeddings.device)], dim=1).double()
        # The weights from sub-clusters, which it averages with these, are the same: there are none.
        shares = softmax_shares(class_distances(features, labels, labels))
        self.omega.zero_()[labels.unique()] = shares.to(self.omega.dtype)
