"""Experts that are asked in turn, each for the samples of which the ones before know little."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import register_method
from bench.models.network import Network
from bench.options import Range

from ._experts import WeightedExpertOptions, WeightedExperts
from .losses.tlc import tlc_loss, trusted_logits


class TLCOptions(WeightedExpertOptions):
    """Settings of trustworthy long-tailed classification."""

    evidence: Annotated[float, Range(0.001, 0.1, "log")] = Field(
        0.015, ge=0, le=1, description="weight in the last epoch of evidence for wrong classes"
    )
    diversity: Annotated[float, Range(0.001, 0.2, "log")] = Field(
        0.01, ge=0, le=1, description="what an expert gains by differing from the mean; 0: nothing"
    )
    engage: Annotated[float, Range(0.1, 0.8)] = Field(
        0.54, ge=0, lt=1, description="an expert sees samples of this share of the largest need"
    )
    eta: Annotated[float, Range(0.05, 1, "log")] = Field(
        0.2, gt=0, description="temperature of the experts' weights; large: their mean"
    )


@register_method(
    "tlc",
    title="TLC",
    group="extension",
    reference="Li et al., CVPR 2022, arXiv 2111.09030",
)
class TrustworthyLongTailed(WeightedExperts):
    """Experts that say how much evidence they have; later ones learn from uncertain samples.

    Formula: ``e = exp(z)``, ``S = sum (e_k + 1)``, ``b = e / S``, ``u = K / S``; ``w^0 = 1`` and
    ``w^m = w^{m-1} u^m / (1 - C^m)``, ``C^m`` what the beliefs ``b`` of experts m - 1 and m put on
    different classes. ``L`` is the sum over experts of the mean, over the samples with
    ``w^{m-1} > engage max w^{m-1}``, of the loss of ``ldam_drw`` plus
    ``evidence e / E KL(Dir(a) || Dir(1))`` in epoch e of E, ``a`` being ``e + 1`` and 1 for the
    label, less ``diversity`` times the divergence of ``ride``. Prediction is the largest of
    ``sum_m softmax_m(w^{m-1} / eta) z^m``.

    Settings: ``experts`` >= 1, 3 here; ``evidence`` in [0, 1], 0.015; ``diversity`` in [0, 1],
    0.01; ``engage`` in [0, 1), 0.54; ``eta`` > 0, 0.2; ``factor``, ``base``, ``max_margin``,
    ``scale``, ``beta`` and ``start`` as in ``ride``. Cost: two more heads, about 2.3 times
    vanilla.

    When it helps: where many samples are easy, later experts are left the hard ones. With two
    classes it works as with more.

    What differs: experts are heads on the whole encoder. The released code normalises the weights
    of the fusion over the batch, so that a prediction depends on the samples beside it; here they
    are normalised over experts. Weights of classes are not divided by their sum over the batch, as
    they are in ``ldam_drw``. The conflict is with the expert before alone, as in that code; the
    paper fuses experts one by one. Only epochs with class weights may be selected.
    """

    options_type = TLCOptions
    options: TLCOptions

    def setup(self) -> None:
        super().setup()
        self.evidence = 0.0

    def begin_epoch(self, epoch: int, network: Network) -> None:
        super().begin_epoch(epoch, network)
        self.evidence = self.options.evidence * epoch / self.context.epochs

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        return tlc_loss(
            self.scores(network, batch),
            batch.labels,
            self.margins,
            scale=self.scale,
            evidence=self.evidence,
            diversity=self.options.diversity,
            engage=self.options.engage,
            temperatures=self.late(self.temperatures),
            weights=self.late(self.weights),
        )

    def predict(self, network: Network, batch: Batch) -> Tensor:
        return trusted_logits(self.scale * self.scores(network, batch), eta=self.options.eta)

    def implied_log_prior(self) -> Tensor | None:
        return None  # evidence for other classes costs more than cross-entropy says
