"""Asymmetric focal contrast beside cross-entropy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import register_method
from bench.models.network import Network
from bench.options import Range

from .contrastive.joint import JointContrastiveMethod, JointOptions
from .losses.asymmetric import asymmetric_focal_contrastive_loss


class AFCLOptions(JointOptions):
    """Settings of asymmetric focal contrast."""

    gamma: Annotated[float, Range(1, 20, "log")] = Field(
        10.0, ge=0, description="focusing exponent of positives; 0: acl"
    )
    eta: Annotated[float, Range(10, 1000, "log")] = Field(
        300.0, ge=0, description="weight of negatives; 0: fcl"
    )


@register_method(
    "afcl",
    title="AFCL",
    group="extension",
    reference="Vito and Stefanus, Entropy 2022, 24(9), 1303, arXiv 2207.07080",
)
class AFCL(JointContrastiveMethod):
    """Cross-entropy, and a contrast in which negatives count and certain positives count less.

    Formula: ``L = CE + weight mean_ij [alike] (1 - p_ij)^gamma (-log p_ij)
    + eta [unlike] (-log(1 - p_ij))``, p the softmax over similarities of two views, see
    :func:`.losses.asymmetric.asymmetric_focal_contrastive_loss`.

    Settings: ``gamma`` >= 0, 10 here; ``eta`` >= 0, 300; ``weight`` >= 0, 1; ``temperature`` > 0,
    0.1; ``augmentation``, ``ratio``, ``mask``, ``projection``. Cost: about 3 times
    vanilla's epoch.

    When it helps: in a batch of one large class and few others a sample has many positives and
    hardly a negative; the term of its own lets negatives count in any mixture. p is of the order
    of 1 / batch, which is why ``eta`` is large and why ``gamma`` acts on near-copies only. The
    mean over all pairs makes an anchor weigh in proportion to its class: no help to the tail.

    What differs: the authors train the encoder by contrast and then a classifier; here both train
    together, in one stage like the other rows. ``gamma`` and ``eta`` are what they advise for
    strong imbalance; the defaults of their code are 0. Temperature 0.07 there.
    """

    options_type = AFCLOptions
    options: AFCLOptions

    def contrast(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        return asymmetric_focal_contrastive_loss(
            features,
            labels,
            gamma=self.options.gamma,
            eta=self.options.eta,
            temperature=self.options.temperature,
        )
