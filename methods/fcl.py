"""Focal contrast beside cross-entropy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import register_method
from bench.models.network import Network
from bench.options import Range

from .contrastive.joint import JointContrastiveMethod, JointOptions
from .losses.asymmetric import asymmetric_focal_contrastive_loss


class FCLOptions(JointOptions):
    """Settings of focal contrast."""

    gamma: Annotated[float, Range(1, 20, "log")] = Field(
        10.0, ge=0, description="focusing exponent of positives; 0: none"
    )


@register_method(
    "fcl",
    title="FCL",
    group="extension",
    reference="Zhang et al., NeurIPS 2021, arXiv 2102.06605 (focal contrast); scaling and gamma of "
    "Vito and Stefanus, Entropy 2022, 24(9), 1303, arXiv 2207.07080",
)
class FCL(JointContrastiveMethod):
    """Cross-entropy, and a supervised contrast in which certain positives count less.

    Formula: ``L = CE + weight mean_ij [alike] (1 - p_ij)^gamma (-log p_ij)``; ``afcl`` with
    ``eta`` 0.

    Settings: ``gamma`` >= 0, 10 here; the others, and the cost, as ``afcl``.

    When it helps, and what differs: see :class:`bench.methods.afcl.AFCL`.
    """

    options_type = FCLOptions
    options: FCLOptions

    def contrast(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        return asymmetric_focal_contrastive_loss(
            features,
            labels,
            gamma=self.options.gamma,
            eta=0.0,
            temperature=self.options.temperature,
        )
