"""Balanced contrast with class prototypes, beside a classifier under the log prior."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from bench.method import log_shares, register_method
from bench.models._weights import initial_weights
from bench.models.network import Network

from .contrastive.joint import JointContrastiveMethod, JointOptions
from .contrastive.method import OUT, perceptron
from .losses.balanced_softmax import balanced_softmax_loss, log_prior
from .losses.bcl import balanced_contrastive_loss


class BCLOptions(JointOptions):
    """Settings of balanced contrastive learning."""

    weight: float = Field(0.35, ge=0, description="of the contrast; cross-entropy has weight 1")


@register_method(
    "bcl",
    title="BCL",
    group="extension",
    reference="Zhu et al., CVPR 2022, arXiv 2207.09052",
)
class BCL(JointContrastiveMethod):
    """Classifies under the log prior; contrasts two views with every class weighing the same.

    Formula: ``L = CE(z + log pi, y) + weight L_con``, ``L_con`` of
    :func:`.losses.bcl.balanced_contrastive_loss`. Its prototypes are the last linear layer's rows
    through a perceptron of their own.

    Settings: ``weight`` >= 0, 0.35 here; ``temperature`` > 0, 0.1; ``augmentation``, ``ratio``,
    ``mask``, ``projection``. Cost: about 3 times vanilla's epoch.

    When it helps: plain supervised contrast gives large classes most of the repulsion and most of
    the batch's positives; here classes absent from a batch are there as prototypes, and large
    ones count once. The prior is corrected by the classifier, as in ``balanced_softmax``.

    What differs: views are GraphCL's, not images'; rate, schedule and batch are the benchmark's.
    The contrast compares 128 features after a perceptron, as in the original; with ``projection``
    none, embeddings, and prototypes of their length.
    """

    options_type = BCLOptions
    options: BCLOptions
    log_priors: Tensor

    def setup(self) -> None:
        self.register_buffer("log_priors", log_prior(self.context.class_counts))

    def initialise(self, network: Network) -> None:
        super().initialise(network)
        out = OUT if self.options.projection == "mlp" else network.embedding_features
        rows = network.head.classifier.in_features
        with initial_weights(self.context.seed, "prototypes"):
            self.prototypes: nn.Module = perceptron(rows, out)
        self.prototypes.to(next(network.parameters()))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return balanced_softmax_loss(logits, labels, self.log_priors)

    def contrast(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        prototypes = normalize(self.prototypes(network.head.classifier.weight), dim=1)
        return balanced_contrastive_loss(
            features, labels, prototypes, temperature=self.options.temperature
        )

    def implied_log_prior(self) -> Tensor:
        # As balanced_softmax; the contrast shapes embeddings and prototypes.
        return log_shares(torch.zeros(self.context.num_classes))
