"""Nearest class mean on the vanilla run's features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from bench.data.batch import Batch
from bench.method import register_method
from bench.models.network import Network

from ._posthoc import PostHoc

# Unit vectors and their means are less far apart than this, squared.
_FARTHEST = 5.0


@register_method(
    "ncm",
    title="NCM",
    group="extension",
    reference="Kang et al., ICLR 2020, arXiv 1910.09217",
)
class NearestClassMean(PostHoc):
    """Predicts the class whose mean feature is nearest; nothing learned of class sizes is used.

    Formula: ``z_k = -||g - c_k||^2``, ``g`` what enters the vanilla run's last linear layer,
    centred on its training mean and scaled to length 1, ``c_k`` the mean of ``g`` over class k.

    Settings: none. Cost: the vanilla run (shared with that row) and one pass over training data.

    When it helps: where classes form one cluster each; a rare class needs no more than a mean.

    What differs: nothing of the rule. Logits are distances, not log-probabilities: figures that
    read probabilities off them mean little. A class without training samples is never predicted.
    """

    centre: Tensor
    means: Tensor
    present: Tensor

    def setup(self) -> None:
        self.register_buffer("present", self.context.class_counts > 0)

    def initialise(self, network: Network) -> None:
        super().initialise(network)
        weight = network.head.classifier.weight.detach()
        self.register_buffer("centre", torch.zeros_like(weight[0]))
        self.register_buffer("means", torch.zeros_like(weight))

    @torch.no_grad()
    def conclude(self, network: Network) -> None:
        view = self.context.view
        features = network.head.hidden(view.embeddings(network, "train"))
        self.centre.copy_(features.mean(dim=0))
        self.means.copy_(
            class_means(
                normalize(features - self.centre), view.labels("train"), self.context.num_classes
            )
        )

    def predict(self, network: Network, batch: Batch) -> Tensor:
        features = normalize(network.head.hidden(network.encode(batch)) - self.centre)
        # |g|^2 + |c|^2 - 2 g.c: no array of (B, K, D).
        distances = (
            features.square().sum(dim=1, keepdim=True)
            + self.means.square().sum(dim=1)
            - 2 * features @ self.means.T
        )
        return -distances.masked_fill(~self.present, _FARTHEST)


def class_means(features: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Mean feature of each class, shape (K, D), from (n, D) and (n,); zeros for an empty class.

    Examples
    --------
    >>> class_means(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([1, 1, 0]), 3)
    tensor([[5.],
            [2.],
            [0.]])
    """
    members = one_hot(labels, num_classes).to(features.dtype)
    return members.T @ features / members.sum(dim=0).clamp_min(1)[:, None]
