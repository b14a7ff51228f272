"""Margins that grow for rare classes, and class weights late in training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import Method, register_method
from bench.models.network import Network
from bench.options import Options, Range

from .losses.class_weights import effective_number_weights
from .losses.ldam import cosine_similarities, ldam_loss, ldam_margins


class LDAMOptions(Options):
    """Settings of LDAM with deferred re-weighting."""

    max_margin: Annotated[float, Range(0.1, 1)] = Field(
        0.5, ge=0, le=2, description="margin of the smallest class"
    )
    scale: Annotated[float, Range(10, 50)] = Field(
        30.0, gt=0, description="factor from cosines to logits"
    )
    beta: Annotated[float, Range(0.9, 0.99999, "near one")] = Field(
        0.9999, ge=0, lt=1, description="late weights; 0: none; 1: inverse frequency"
    )
    start: Annotated[float, Range(0.5, 0.9)] = Field(
        0.8, ge=0, lt=1, description="share of the epochs without weights"
    )


@register_method(
    "ldam_drw",
    title="LDAM-DRW",
    group="extension",
    reference="Cao et al., NeurIPS 2019, arXiv 1906.07413",
)
class LDAM(Method):
    """A cosine classifier with larger margins for rarer classes; late epochs weight the classes.

    Formula: ``L = CE(s (c - m_y e_y), y)``, ``c`` the cosines between what enters the last linear
    layer and that layer's rows, ``m_k ~ n_k^(-1/4)``; from ``start`` on averaged with the weights
    of ``cb``. Prediction is ``argmax c``, logits are ``s c``; the layer loses its bias.

    Settings: ``max_margin`` in [0, 2], 0.5 here; ``scale`` > 0, 30; ``beta`` in [0, 1), 0.9999;
    ``start`` in [0, 1), 0.8. Cost: as vanilla.

    When it helps: features are learned on the data as they are, and only the last epochs correct
    the prior. A schedule that has brought the rate to nothing before ``start`` undoes that:
    ImDrug's falls a hundredfold at 0.6 of its epochs.

    What differs: Adam and the common schedule instead of SGD with steps at the start of the
    weights. Only epochs with weights may be selected: before, the row would be LDAM alone.
    """

    options_type = LDAMOptions
    options: LDAMOptions
    margins: Tensor
    weights: Tensor

    def setup(self) -> None:
        counts = self.context.class_counts
        self.register_buffer("margins", ldam_margins(counts, max_margin=self.options.max_margin))
        self.register_buffer("weights", effective_number_weights(counts, beta=self.options.beta))
        self.weighting = self.options.start == 0

    def initialise(self, network: Network) -> None:
        network.head.classifier.register_parameter("bias", None)

    def begin_epoch(self, epoch: int, network: Network) -> None:
        self.weighting = self._weights(epoch)

    def selectable(self, epoch: int) -> bool:
        return self._weights(epoch)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        return ldam_loss(
            _cosines(network, batch),
            batch.labels,
            self.margins,
            scale=self.options.scale,
            weights=self.weights if self.weighting else None,
        )

    def predict(self, network: Network, batch: Batch) -> Tensor:
        return self.options.scale * _cosines(network, batch)

    def _weights(self, epoch: int) -> bool:
        return epoch > self.options.start * self.context.epochs


def _cosines(network: Network, batch: Batch) -> Tensor:
    """Cosines between what enters the last linear layer and its rows, (B, K)."""
    features = network.head.hidden(network.encode(batch))
    return cosine_similarities(features, network.head.classifier.weight)
