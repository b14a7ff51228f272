"""Asymmetric loss: classes that a sample is not in are focused more than its own."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from bench.method import Method, log_shares, register_method
from bench.models.network import Network
from bench.options import Options, Range

from .losses.asl import asymmetric_sigmoid_loss, asymmetric_softmax_loss


class AsymmetricLossOptions(Options):
    """Settings of the asymmetric loss."""

    form: Literal["sigmoid", "softmax"] = Field(
        "sigmoid", description="one sigmoid a class, or softmax with softened labels"
    )
    gamma_positive: Annotated[float, Range(0, 2)] = Field(
        1.0, ge=0, description="focusing exponent of a sample's own class"
    )
    gamma_negative: Annotated[float, Range(0, 6)] = Field(
        4.0, ge=0, description="focusing exponent of the other classes"
    )
    clip: Annotated[float, Range(0, 0.2, only=("form", "sigmoid"))] = Field(
        0.05, ge=0, lt=1, description="sigmoid: other classes below this do not count"
    )
    epsilon: Annotated[float, Range(0, 0.3, only=("form", "softmax"))] = Field(
        0.1, ge=0, le=1, description="softmax: share of the label given to all classes alike"
    )


@register_method(
    "asl",
    title="Asymmetric Loss",
    group="extension",
    reference="Ridnik et al., ICCV 2021, arXiv 2009.14119",
)
class AsymmetricLoss(Method):
    """Lets easy negatives fade: the many classes that a sample is obviously not in.

    Formula, one sigmoid ``s_k`` a class:
    ``L = -1/B sum_i (1 - s_y)^g+ log s_y + sum_{k != y} (1 - q_k)^g- log q_k`` with
    ``q_k = min(1 - s_k + clip, 1)``; powers have no gradient. The last layer's biases start at
    ``-log(K - 1)``, so that each class has probability 1/K. With softmax:
    ``L = -1/B sum_ik t_k w_k log p_k``, ``t`` the label softened by ``epsilon``, ``w_y`` is
    ``(1 - p_y)^g+`` and ``w_k`` is ``p_k^g-``. Prediction is ``argmax z`` either way.

    Settings: ``form``; ``gamma_positive`` g+ >= 0, 1 here, and ``gamma_negative`` g- >= 0, 4;
    ``clip`` in [0, 1), 0.05; ``epsilon`` in [0, 1], 0.1. The authors' softmax form has
    ``gamma_positive`` 0. Cost: as vanilla.

    When it helps: with many classes and one sigmoid for each, of which nearly all are negative.
    It was made for several labels a sample and knows nothing of class sizes; compare it with a
    power of the prior chosen after training. The softmax form is cross-entropy in disguise: with
    ``epsilon`` 0 it is ``focal``, and at the authors' settings it adds no more than
    ``epsilon / K sum_k p_k^4 (-log p_k)``.

    What differs: the mean over the batch in place of the sum, which would need a smaller rate.
    With two classes the biases start at 0, and each class has a sigmoid of its own.
    """

    options_type = AsymmetricLossOptions
    options: AsymmetricLossOptions

    def initialise(self, network: Network) -> None:
        if self.options.form == "sigmoid":
            others = max(self.context.num_classes - 1, 1)
            with torch.no_grad():
                network.head.classifier.bias.fill_(-math.log(others))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        settings = self.options
        if settings.form == "sigmoid":
            return asymmetric_sigmoid_loss(
                logits,
                labels,
                gamma_positive=settings.gamma_positive,
                gamma_negative=settings.gamma_negative,
                clip=settings.clip,
            )
        return asymmetric_softmax_loss(
            logits,
            labels,
            gamma_positive=settings.gamma_positive,
            gamma_negative=settings.gamma_negative,
            epsilon=settings.epsilon,
        )

    def implied_log_prior(self) -> Tensor | None:
        # Focused or softened, it is not proper, and sigmoids are no softmax.
        settings = self.options
        if settings.form == "softmax" and settings.epsilon == settings.gamma_positive == 0:
            return log_shares(self.context.log_counts)
        return None
