"""Control: the joint form of the paper's method with logit adjustment."""

from __future__ import annotations

from torch import Tensor

from bench.method import log_shares, register_method

from .losses.balanced_softmax import log_prior
from .sdr_joint import SDRJoint


@register_method(
    "sdr_la",
    title="SDR with one loss + logit adjustment",
    group="control",
    reference="LTDD, 2025, arXiv 2504.04647; Menon et al., ICLR 2021, arXiv 2007.07314",
)
class SDRLogitAdjusted(SDRJoint):
    """As ``sdr_joint``, with cross-entropy under the log prior.

    Formula: ``L = L_sub + ce_weight mean_i omega[y_i] CE(z_i + log pi, y_i)``; prediction is
    ``argmax z``.

    Settings: those of ``sdr_joint``. Cost: as ``sdr_joint``.

    When it helps: distances between centroids do not depend on class sizes, so nothing else in
    the method corrects the prior. A control: what it has over ``sdr_joint`` is the prior's, what
    it has over ``balanced_softmax`` the contrast's and the weights'.

    What differs: see ``sdr`` and ``sdr_joint``.
    """

    log_priors: Tensor

    def setup(self) -> None:
        super().setup()
        self.register_buffer("log_priors", log_prior(self.context.class_counts))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return super().loss(logits + self.log_priors.to(logits.dtype), labels)

    def implied_log_prior(self) -> Tensor:
        # As sdr_joint, less the training prior that the loss adds.
        return log_shares(self.omega.cpu().log())
