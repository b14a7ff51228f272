"""Mutual information of features and labels: contrast by class with a queue, under the prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from bench.data.batch import Batch
from bench.method import log_shares, register_method
from bench.models.network import Network
from bench.options import Choices, Range

from .contrastive.method import ContrastiveMethod, ContrastiveOptions
from .contrastive.queue import ClassQueue
from .losses.balanced_softmax import balanced_softmax_loss, log_prior
from .losses.gml import class_contrastive_loss


class GMLOptions(ContrastiveOptions):
    """Settings of the contrast by class."""

    weight: Annotated[float, Range(0.1, 2, "log")] = Field(
        1.0, ge=0, description="of the contrast; cross-entropy has weight 1"
    )
    temperature: Annotated[float, Range(0.05, 0.5, "log")] = Field(
        0.1, gt=0, description="of the similarities at the start, from where it is trained"
    )
    queue: Annotated[int, Choices(1024, 4096)] = Field(
        4096, ge=1, description="keys that are kept, but no more than there are samples"
    )
    base: Annotated[int, Range(1, 8, "log")] = Field(
        2, ge=1, description="keys of each class before the rest follows class sizes"
    )


@register_method(
    "gml",
    title="GML",
    group="extension",
    reference="Suh and Seo, ICML 2023, arXiv 2305.01160",
)
class GML(ContrastiveMethod):
    """Classifies under the log prior, and contrasts samples with the keys of whole classes.

    Formula: ``L = CE(z + log pi, y) + weight (L_con + L_temp)``. Both contrasts are
    ``CE(log S + log pi, y)``, ``S_ik`` the mean of ``exp(q_i . key / tau)`` over the keys of class
    k, in which ``q`` is a projected view and keys are those of earlier steps and of the other
    views. ``L_con`` trains the encoder; ``L_temp`` trains ``tau`` alone, on other samples' keys.

    Settings: ``weight`` >= 0, 1 here; ``temperature`` > 0, 0.1, where ``tau`` starts; ``queue``,
    4,096 or as many as there are samples; ``base``, 2: slots of the queue go by class size beyond
    that; ``augmentation``, ``ratio``, ``mask``, ``projection``. Cost: 10 times vanilla's run
    with 4,096 keys and 5 times with 1,024, as all are projected again at every step.

    When it helps: the mean counts a class once, however many keys it has, and its prior stands
    beside it: rare classes are neither pushed away nor over-corrected. Classifier and contrast
    correct the prior, as in ``balanced_softmax``; with ``weight`` 0 the loss is that.

    What differs: the classifier's logits are the head's, not 30 times a cosine. Keys are
    embeddings of earlier steps under the projection of today; the authors have a second encoder
    that follows the first slowly. Their published figures add a teacher. ``tau`` has no weight
    decay there; here the decay, like the training, acts on ``log(tau / temperature)``. With two
    classes nothing changes.
    """

    options_type = GMLOptions
    options: GMLOptions
    log_priors: Tensor

    def setup(self) -> None:
        self.register_buffer("log_priors", log_prior(self.context.class_counts))

    def initialise(self, network: Network) -> None:
        super().initialise(network)
        sizes = queue_sizes(
            self.context.class_counts.numpy(), queue=self.options.queue, base=self.options.base
        )
        weights = next(network.parameters())
        self.queue = ClassQueue(sizes, network.embedding_features).to(weights)
        # Of its logarithm over the start: weight decay draws tau there, not to 1.
        self.log_warmth = nn.Parameter(weights.new_zeros(()))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return balanced_softmax_loss(logits, labels, self.log_priors)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        first, second = self.views(batch)
        queries = self.project(network.encode(first))
        with torch.no_grad():
            keys = network.encode(second)
        self.queue.push(keys, batch.labels, batch.positions)
        contrast = self.contrast(queries, batch)
        # The samples as they are come last, so that batch norm's running statistics lean to them.
        return self.loss(network(batch), batch.labels) + self.options.weight * contrast

    def contrast(self, queries: Tensor, batch: Batch) -> Tensor:
        """Contrast of projected views `queries`, (B, D), with the queue; for encoder and tau."""
        queue, temperature = self.queue, self.temperature
        cosines = queries @ self.project(queue.embeddings).T
        filled = (queue.positions >= 0).expand(cosines.shape)
        others = filled & (queue.positions != batch.positions[:, None])

        def contrast(similarities: Tensor, candidates: Tensor) -> Tensor:
            return class_contrastive_loss(
                similarities, queue.classes, batch.labels, self.log_priors, candidates
            )

        return contrast(cosines / temperature.detach(), filled) + contrast(
            cosines.detach() / temperature, others
        )

    @property
    def temperature(self) -> Tensor:
        """tau, a scalar."""
        return self.options.temperature * self.log_warmth.exp()

    def conclude(self, network: Network) -> None:
        self.queue.clear()

    def report(self) -> Mapping[str, Any]:
        return {"temperature": self.temperature.item()}

    def implied_log_prior(self) -> Tensor:
        # As balanced_softmax; the contrast shapes embeddings.
        return log_shares(torch.zeros(self.context.num_classes))


def queue_sizes(class_counts: np.ndarray, *, queue: int, base: int) -> np.ndarray:
    """Slots a class, int64, (K,): `base` each and the rest of the queue by class size.

    The queue has no more slots than there are samples, but `base` a class in any case.

    Examples
    --------
    >>> queue_sizes(np.array([100, 20, 5]), queue=16, base=2)
    array([10,  4,  2])
    """
    classes, samples = len(class_counts), int(class_counts.sum())
    rest = max(min(queue, samples) - classes * base, 0)
    shares = np.cumsum(class_counts) / samples
    # Rounded where one class ends, so that the sizes add up; less by what sums are inexact.
    ends = np.ceil(np.arange(1, classes + 1) * base + rest * shares - 1e-9).astype(np.int64)
    return np.diff(ends, prepend=0)
