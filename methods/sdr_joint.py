"""Control: the paper's method with a cross-entropy that reaches the encoder."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import register_method
from bench.models.network import Network
from bench.options import Range

from .sdr import SDR, SDROptions


class SDRJointOptions(SDROptions):
    """Settings of the joint form."""

    ce_weight: Annotated[float, Range(0.1, 10, "log")] = Field(
        1.0, ge=0, description="of cross-entropy; the contrast has weight 1"
    )


@register_method(
    "sdr_joint",
    title="SDR with one loss",
    group="control",
    reference="LTDD, 2025, arXiv 2504.04647, section 3, read as one loss",
)
class SDRJoint(SDR):
    """Sub-cluster contrast and distance-weighted cross-entropy train the whole network together.

    Formula: ``L = L_sub + ce_weight CE`` with the terms of :class:`bench.methods.sdr.SDR`, but with
    gradients from CE into the encoder, from the first epoch on; in warm-up with unit weights.

    Settings: ``ce_weight`` >= 0, 1 here, and all of ``sdr``. Cost: about 3 times vanilla's epoch.

    When it helps: features then serve the classifier too. A control: the paper calls its training
    end-to-end while its Algorithm 2 updates encoder and classifier apart; this is the other
    reading.

    What differs: see ``sdr``. Only epochs after warm-up may be selected, as there.
    """

    options_type = SDRJointOptions
    options: SDRJointOptions

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        contrast = self.contrast(self.project_views(network, batch), batch)
        return contrast + self.options.ce_weight * self.loss(network(batch), batch.labels)
