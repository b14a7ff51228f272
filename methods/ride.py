"""Experts with margins on one encoder, trained to differ and predicting by their mean."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import register_method
from bench.models.network import Network
from bench.options import Range

from ._experts import WeightedExpertOptions, WeightedExperts
from .losses.ride import ride_loss


class RIDEOptions(WeightedExpertOptions):
    """Settings of RIDE."""

    diversity: Annotated[float, Range(0.02, 0.45, "log")] = Field(
        0.2, ge=0, le=1, description="what an expert gains by differing from the mean; 0: nothing"
    )


@register_method(
    "ride",
    title="RIDE",
    group="extension",
    reference="Wang et al., ICLR 2021, arXiv 2010.01809",
)
class RIDE(WeightedExperts):
    """Three cosine classifiers on one encoder, rewarded for differing from their mean.

    Formula: ``L = sum_m [ L_m - diversity mean(T)^2 KL(softmax(zbar / T) || softmax(z^m / T)) ]``,
    ``L_m`` the loss of ``ldam_drw`` on the logits ``z^m`` of expert m, ``zbar`` their mean. From
    ``start`` on ``L_m`` has the weights of ``cb``, and ``T_k = w_k / max w`` with
    ``w_k = factor K pi_k + 1 - factor``; before, ``T = 1``. Prediction is ``argmax zbar``.

    Settings: ``experts`` >= 1, 3 here; ``diversity`` in [0, 1], 0.2 (the authors' CIFAR runs have
    0.45); ``factor`` in [0, 1), 0.05; ``base``, ldam or cross_entropy; ``max_margin``, ``scale``,
    ``beta`` and ``start`` as in ``ldam_drw``. Cost: two more heads, about 1.8 times vanilla.

    When it helps: the mean of experts that err in different places varies less, and tail classes,
    with few samples, vary most. With two classes it is an ensemble of ``ldam_drw``.

    What differs: experts are heads; the authors' own the last two blocks of the encoder, too, and
    are narrower. Their second stage, which leaves experts out to save time, is not part of the
    row. The divergence is that of their code, from the mean of the experts; the paper speaks of
    pairs. Under ``base`` cross_entropy logits have no bound and neither has the reward: keep
    ``diversity`` at 0.2 or below. Only epochs with weights may be selected.
    """

    options_type = RIDEOptions
    options: RIDEOptions

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        return ride_loss(
            self.scores(network, batch),
            batch.labels,
            self.margins,
            scale=self.scale,
            diversity=self.options.diversity,
            temperatures=self.late(self.temperatures),
            weights=self.late(self.weights),
        )
