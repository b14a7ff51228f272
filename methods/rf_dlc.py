"""Particles that repel each other, and predictions by what mistakes cost."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import register_method
from bench.models.network import Network
from bench.options import NotSearched, Range

from ._experts import Base, ExpertOptions, Experts
from .losses.class_weights import inverse_frequency_weights
from .losses.rf_dlc import expected_utilities, rf_dlc_loss


class RFDLCOptions(ExpertOptions):
    """Settings of RF-DLC."""

    base: Annotated[Base, NotSearched()] = Field(
        "cross_entropy", description="loss of each expert; ldam: margins on a cosine classifier"
    )
    tau: Annotated[float, Range(0.05, 0.5, "log")] = Field(
        0.2, gt=0, description="share of the epochs in which the repulsion falls to 1 / e"
    )
    penalty: Annotated[float, Range(0, 1)] = Field(
        0.0, ge=0, description="cost of predicting a larger class than the true one; 0: none"
    )


@register_method(
    "rf_dlc",
    title="RF-DLC",
    group="extension",
    reference="Li and Zhang, TMLR 2025, arXiv 2501.14090",
)
class RFDLC(Experts):
    """Three heads whose last layers repel each other, and a decision by expected utility.

    Formula: ``L = mean_m CE_w(z^m, y) - exp(-e / (tau E)) / 2 mean_j log Var_m(theta_j)`` in epoch
    e of E, ``theta`` the weights of the last layers; ``w_k = 1 / n_k`` from ``start`` on, before
    none. Prediction is the largest of ``sum_y p_y U_yd``, ``p = softmax(mean of z^m)``,
    ``U_yd = [d = y] - penalty [n_d > n_y]``.

    Settings: ``experts`` >= 1, 3 here; ``tau`` > 0, 0.2; ``start`` in [0, 1), 0.8; ``penalty``
    >= 0, 0 (``argmax p``); ``base``, and with ldam ``max_margin`` and ``scale``. Cost: two more
    heads, about 1.5 times vanilla.

    When it helps: the repulsion keeps particles apart early and is gone in the end, the weights
    correct the prior. A ``penalty`` takes predictions from larger classes only: with two classes
    and 1, the larger one is predicted from a probability of 2/3 on.

    What differs: the authors put LDAM's margins into the loss (``base`` ldam). Their trainer
    never passes the utilities on, so that released runs predict as with ``penalty`` 0; their loss
    with utilities is left out. Only epochs with weights may be selected.
    """

    options_type = RFDLCOptions
    options: RFDLCOptions
    class_counts: Tensor

    def setup(self) -> None:
        super().setup()
        self.register_buffer("class_counts", self.context.class_counts)
        self.repulsion = 0.0

    def class_weights(self, class_counts: Tensor) -> Tensor:
        return inverse_frequency_weights(class_counts, gamma=1.0)

    def begin_epoch(self, epoch: int, network: Network) -> None:
        super().begin_epoch(epoch, network)
        self.repulsion = math.exp(-epoch / (self.options.tau * self.context.epochs))

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        return rf_dlc_loss(
            self.scores(network, batch),
            batch.labels,
            self.margins,
            torch.stack([head.classifier.weight for head in self.heads(network)]),
            scale=self.scale,
            repulsion=self.repulsion,
            weights=self.late(self.weights),
        )

    def adjust_logits(self, logits: Tensor) -> Tensor:
        if self.options.penalty == 0:
            return logits
        return expected_utilities(logits, self.class_counts, penalty=self.options.penalty)

    def implied_log_prior(self) -> Tensor | None:
        # Utilities are no logits.
        return super().implied_log_prior() if self.options.penalty == 0 else None
