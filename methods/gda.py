"""Gaussian discriminant analysis of the vanilla run's embeddings."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from bench.data.batch import Batch
from bench.method import log_shares, register_method
from bench.models.network import Network
from bench.options import Options

from ._posthoc import PostHoc
from .losses.gaussian_discriminant import Covariance, gaussian_discriminant

# How far below the others the logit of a class without training samples is: more than any power
# of the prior can make up for.
_BELOW = 100.0


class GaussianDiscriminantOptions(Options):
    """Settings of Gaussian discriminant analysis."""

    covariance: Covariance = Field(
        "pooled", description="pooled: every sample counts the same; balanced: every class does"
    )


@register_method(
    "gda",
    title="GDA",
    group="extension",
    reference="Wang et al., ICLR 2024, arXiv 2402.04087",
)
class GaussianDiscriminant(PostHoc):
    """A Gaussian for each class on the vanilla run's embeddings, one covariance; trains nothing.

    Formula: ``z_k = mu_k^T P x - mu_k^T P mu_k / 2 - log K``, ``x`` the embedding scaled to length
    1, ``mu_k`` its mean over class k, ``P = d ((N - 1) S + tr(S) I)^-1`` with S the covariance
    within classes (:func:`.losses.gaussian_discriminant.gaussian_discriminant`).

    Settings: ``covariance``, ``pooled`` here as in the original. Cost: the vanilla run (shared with
    that row), one pass over training data and the inverse of a (d, d) matrix.

    When it helps: where embeddings of a class lie around one mean and directions differ in spread,
    which ``ncm`` ignores. Classes are taken to be equally frequent, so nothing is left to correct.
    With two classes it is Fisher's discriminant with the border halfway between the means.

    What differs: the original takes embeddings of CLIP, which never saw the labels; an encoder
    trained on these has small spread in them. Its mixture with the network's logits is left out.
    In ``pooled`` large classes decide the covariance; ``balanced``, the mean of the covariances of
    classes, is ours. A class without training samples is never predicted.
    """

    options_type = GaussianDiscriminantOptions
    options: GaussianDiscriminantOptions
    weights: Tensor
    biases: Tensor
    present: Tensor

    def setup(self) -> None:
        self.register_buffer("present", self.context.class_counts > 0)

    def initialise(self, network: Network) -> None:
        super().initialise(network)
        shape = self.context.num_classes, network.embedding_features
        device = self.present.device
        self.register_buffer("weights", torch.zeros(shape, dtype=torch.float64, device=device))
        self.register_buffer("biases", torch.zeros(shape[0], dtype=torch.float64, device=device))

    @torch.no_grad()
    def conclude(self, network: Network) -> None:
        view = self.context.view
        # Not on the device: inverses there may round otherwise each time.
        weights, biases = gaussian_discriminant(
            normalize(view.embeddings(network, "train").double()).cpu(),
            view.labels("train").cpu(),
            self.context.num_classes,
            self.options.covariance,
        )
        self.weights.copy_(weights)
        self.biases.copy_(biases)

    def predict(self, network: Network, batch: Batch) -> Tensor:
        embeddings = normalize(network.encode(batch).double())
        logits = embeddings @ self.weights.T + self.biases
        worst = logits.masked_fill(~self.present, torch.inf).amin(dim=1, keepdim=True)
        return torch.where(self.present, logits, worst - _BELOW)

    def implied_log_prior(self) -> Tensor:
        # The model that it is gives every class the same share.
        return log_shares(torch.zeros(self.context.num_classes))
