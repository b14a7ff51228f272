"""Several heads on one encoder, and class weights that set in late."""

from __future__ import annotations

import copy
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.data.batch import Batch
from bench.method import Method, log_shares
from bench.models.head import Head
from bench.models.network import Network
from bench.options import NotSearched, Options, Range
from bench.seeds import derive_seed

from .losses.class_weights import effective_number_weights
from .losses.ldam import cosine_similarities, ldam_margins
from .losses.ride import diversity_temperatures

Base = Literal["ldam", "cross_entropy"]


class ExpertOptions(Options):
    """Settings of experts on one encoder."""

    experts: Annotated[int, Range(2, 5)] = Field(
        3, ge=1, le=16, description="heads; the first is the network's own"
    )
    base: Annotated[Base, NotSearched()] = Field(
        "ldam", description="loss of each expert; ldam: margins on a cosine classifier"
    )
    max_margin: Annotated[float, Range(0.1, 1, only=("base", "ldam"))] = Field(
        0.5, ge=0, le=2, description="margin of the smallest class, for the base ldam"
    )
    scale: Annotated[float, Range(10, 50, only=("base", "ldam"))] = Field(
        30.0, gt=0, description="factor from cosines to logits, for the base ldam"
    )
    start: Annotated[float, Range(0.5, 0.9)] = Field(
        0.8, ge=0, lt=1, description="share of the epochs without class weights"
    )


class WeightedExpertOptions(ExpertOptions):
    """Settings of experts under the late weights of the class-balanced loss."""

    beta: Annotated[float, Range(0.9, 0.99999, "near one")] = Field(
        0.9999, ge=0, lt=1, description="late weights; 0: none; 1: inverse frequency"
    )
    factor: Annotated[float, Range(0.01, 0.2)] = Field(
        0.05, ge=0, lt=1, description="how far late temperatures fall with the class; 0: not at all"
    )


class Experts(Method):
    """Heads that share an encoder, of which each classifies; late epochs weight the classes.

    The first expert is the head of the network; the others are copies that start from seeds of
    their own. Only epochs with weights may be selected.
    """

    options: ExpertOptions
    margins: Tensor
    weights: Tensor
    others: nn.ModuleList

    def setup(self) -> None:
        counts = self.context.class_counts
        self.cosine = self.options.base == "ldam"
        # Without margins, and on logits as they are, LDAM is cross-entropy.
        largest = self.options.max_margin if self.cosine else 0.0
        self.scale = self.options.scale if self.cosine else 1.0
        self.register_buffer("margins", ldam_margins(counts, max_margin=largest))
        self.register_buffer("weights", self.class_weights(counts))
        self.weighting = self._weights(1)

    def class_weights(self, class_counts: Tensor) -> Tensor:
        """Weights of the classes in late epochs, float64, (K,)."""
        raise NotImplementedError

    def initialise(self, network: Network) -> None:
        self.others = nn.ModuleList()
        for number in range(2, self.options.experts + 1):
            head = copy.deepcopy(network.head)
            head.reset(derive_seed(self.context.seed, f"expert {number}"))
            self.others.append(head)
        if self.cosine:
            for head in self.heads(network):
                head.classifier.register_parameter("bias", None)

    def heads(self, network: Network) -> list[Head]:
        """All M experts."""
        return [network.head, *self.others]

    def begin_epoch(self, epoch: int, network: Network) -> None:
        self.weighting = self._weights(epoch)

    def selectable(self, epoch: int) -> bool:
        return self._weights(epoch)

    def scores(self, network: Network, batch: Batch) -> Tensor:
        """Cosines or logits of each expert, (M, B, K); logits are `scale` times these."""
        embeddings = network.encode(batch)
        return torch.stack([self._scores(head, embeddings) for head in self.heads(network)])

    def late(self, values: Tensor) -> Tensor | None:
        """`values` in epochs with weights, None before."""
        return values if self.weighting else None

    def predict(self, network: Network, batch: Batch) -> Tensor:
        return self.adjust_logits(self.scale * self.scores(network, batch).mean(dim=0))

    def implied_log_prior(self) -> Tensor | None:
        # Each expert, and so their mean, is the posterior under the weighted counts; margins move
        # it, and cosines are bounded.
        if self.cosine:
            return None
        return log_shares(self.context.log_counts + self.weights.cpu().log())

    def _scores(self, head: Head, embeddings: Tensor) -> Tensor:
        if not self.cosine:
            scores: Tensor = head(embeddings)
            return scores
        return cosine_similarities(head.hidden(embeddings), head.classifier.weight)

    def _weights(self, epoch: int) -> bool:
        return epoch > self.options.start * self.context.epochs


class WeightedExperts(Experts):
    """Experts under the late weights of ``cb``, and temperatures by which they differ."""

    options: WeightedExpertOptions
    temperatures: Tensor

    def setup(self) -> None:
        super().setup()
        counts = self.context.class_counts
        temperatures = diversity_temperatures(counts, factor=self.options.factor)
        self.register_buffer("temperatures", temperatures)

    def class_weights(self, class_counts: Tensor) -> Tensor:
        return effective_number_weights(class_counts, beta=self.options.beta)
