"""Contrast that fades into cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import log_shares, register_method
from bench.models.network import Network
from bench.options import Range

from .contrastive.method import ContrastiveMethod, ContrastiveOptions
from .losses.balanced_softmax import balanced_softmax_loss, log_prior
from .losses.supcon import supcon_loss

Curve = Literal["parabolic", "linear", "cosine"]

# Weight of the contrast when a share of the epochs is over.
_CURVES: dict[str, Callable[[float], float]] = {
    "parabolic": lambda over: 1 - over**2,
    "linear": lambda over: 1 - over,
    "cosine": lambda over: (1 + math.cos(math.pi * over)) / 2,
}


class ContrastToCrossEntropyOptions(ContrastiveOptions):
    """Settings of contrast that fades into cross-entropy."""

    curve: Curve = Field("parabolic", description="of the contrast's weight, from 1 to nearly 0")
    temperature: Annotated[float, Range(0.05, 0.5, "log")] = Field(
        0.1, gt=0, description="of the softmax over similarities"
    )
    balanced: bool = Field(False, description="classify under the log prior")


@register_method(
    "contrast_to_ce",
    title="Contrast to CE",
    group="extension",
    reference="SC-MIL, 2023, arXiv 2303.13405; curve of Wang et al., CVPR 2021, arXiv 2103.14267",
)
class ContrastToCrossEntropy(ContrastiveMethod):
    """Trains features by supervised contrast first, and ever more by cross-entropy.

    Formula: ``L = b SupCon(views) + (1 - b) CE(z, y)``; in epoch e of E, with ``x = (e - 1) / E``,
    ``b`` is ``1 - x^2`` (parabolic), ``1 - x`` (linear) or ``(1 + cos(pi x)) / 2`` (cosine). With
    ``balanced`` it is ``CE(z + log pi, y)``.

    Settings: ``curve``; ``temperature`` > 0, 0.1 here; ``balanced``, off; ``augmentation``,
    ``ratio``, ``mask``, ``projection``. Cost: 3.4 times vanilla's run.

    When it helps: where cross-entropy from the start would let the large classes shape the
    features. Without ``balanced`` the prior is not corrected; compare it with a power of the prior
    chosen after training.

    What differs: the curve of SC-MIL is not confirmed by any code that we found; parabolic is that
    of hybrid networks and BBN. In the first epoch the classifier is left alone, so that it may not
    be selected, and a run has two epochs or more. Then ``1 - b`` scales what cross-entropy sends
    into the encoder, not what it sends to the classifier: Adam undoes such a factor, but weight
    decay beside a gradient made small by it would take the classifier to 0. With two classes
    nothing changes.
    """

    options_type = ContrastToCrossEntropyOptions
    options: ContrastToCrossEntropyOptions
    log_priors: Tensor

    def setup(self) -> None:
        self.share = 1.0
        self.register_buffer("log_priors", log_prior(self.context.class_counts))

    def begin_epoch(self, epoch: int, network: Network) -> None:
        self.share = contrast_share(self.options.curve, epoch, self.context.epochs)

    def selectable(self, epoch: int) -> bool:
        return epoch > 1

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.options.balanced:
            return balanced_softmax_loss(logits, labels, self.log_priors)
        return super().loss(logits, labels)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        contrast = supcon_loss(
            self.project_views(network, batch),
            batch.labels,
            temperature=self.options.temperature,
        )
        if self.share == 1:
            return contrast
        # The samples as they are come last, so that batch norm's running statistics lean to them.
        embeddings = network.encode(batch)
        scaled = self.share * embeddings.detach() + (1 - self.share) * embeddings
        classification = self.loss(network.head(scaled), batch.labels)
        # Of the value of the formula, with the gradient of `classification`.
        return self.share * (contrast - classification.detach()) + classification

    def implied_log_prior(self) -> Tensor:
        # Cross-entropy alone trains the last layer, on samples as they are.
        if self.options.balanced:
            return log_shares(torch.zeros(self.context.num_classes))
        return log_shares(self.context.log_counts)


def contrast_share(curve: Curve, epoch: int, epochs: int) -> float:
    """Weight of the contrast in `epoch`, from 1, of `epochs`: 1 in the first.

    Examples
    --------
    >>> [contrast_share("parabolic", epoch, 30) for epoch in (1, 16)]
    [1.0, 0.75]
    """
    return _CURVES[curve]((epoch - 1) / epochs)
