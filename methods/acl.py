"""Asymmetric contrast beside cross-entropy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import register_method
from bench.models.network import Network
from bench.options import Range

from .contrastive.joint import JointContrastiveMethod, JointOptions
from .losses.asymmetric import asymmetric_focal_contrastive_loss


class ACLOptions(JointOptions):
    """Settings of asymmetric contrast."""

    eta: Annotated[float, Range(10, 1000, "log")] = Field(
        300.0, ge=0, description="weight of negatives; 0: positives alone"
    )


@register_method(
    "acl",
    title="ACL",
    group="extension",
    reference="Vito and Stefanus, Entropy 2022, 24(9), 1303, arXiv 2207.07080",
)
class ACL(JointContrastiveMethod):
    """Cross-entropy, and a contrast whose negatives have a term of their own.

    Formula: ``L = CE + weight mean_ij [alike] (-log p_ij) + eta [unlike] (-log(1 - p_ij))``;
    ``afcl`` with ``gamma`` 0.

    Settings: ``eta`` >= 0, 300 here; the others, and the cost, as ``afcl``.

    When it helps, and what differs: see :class:`bench.methods.afcl.AFCL`.
    """

    options_type = ACLOptions
    options: ACLOptions

    def contrast(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        return asymmetric_focal_contrastive_loss(
            features,
            labels,
            gamma=0.0,
            eta=self.options.eta,
            temperature=self.options.temperature,
        )
