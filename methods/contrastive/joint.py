"""Cross-entropy and a contrast in one loss."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import log_shares
from bench.models.network import Network

from .method import ContrastiveMethod, ContrastiveOptions


class JointOptions(ContrastiveOptions):
    """Settings of a method that adds a contrast to cross-entropy."""

    weight: float = Field(1.0, ge=0, description="of the contrast; cross-entropy has weight 1")
    temperature: float = Field(0.1, gt=0, description="of the softmax over similarities")


class JointContrastiveMethod(ContrastiveMethod):
    """Base of methods that add a contrast of two views to the loss of the samples themselves."""

    options: JointOptions

    @abstractmethod
    def contrast(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        """Contrast of projected views `features` (2B, D) of samples with `labels` (B,)."""

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        features = self.project_views(network, batch)
        contrast = self.contrast(network, features, batch.labels)
        # The samples as they are come last, so that batch norm's running statistics lean to them.
        return self.loss(network(batch), batch.labels) + self.options.weight * contrast

    def implied_log_prior(self) -> Tensor | None:
        # Cross-entropy alone trains the last layer, on samples as they are.
        return log_shares(self.context.log_counts)
