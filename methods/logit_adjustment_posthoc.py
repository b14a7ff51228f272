"""The training prior taken off the vanilla run's logits."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from bench.method import log_shares, register_method
from bench.options import Options

from ._posthoc import PostHoc, posthoc_log_prior


class PostHocLogitAdjustmentOptions(Options):
    """Settings of post-hoc logit adjustment."""

    tau: float = Field(1.0, ge=0, le=100, description="0: vanilla; 1: the whole prior")


@register_method(
    "logit_adjustment_posthoc",
    title="LA post-hoc",
    group="extension",
    reference="Menon et al., ICLR 2021, arXiv 2007.07314",
)
class PostHocLogitAdjustment(PostHoc):
    """Predicts with the vanilla network as if classes had been equally frequent.

    Formula: ``argmax z - tau log pi``, ``pi`` the class shares in training.

    Settings: ``tau`` >= 0, 1 here. Cost: the vanilla run, shared with that row.

    When it helps: as far as the vanilla network's probabilities are calibrated. Its best epoch
    was chosen without the shift; ``vanilla_tuned`` chooses ``tau`` on validation.

    What differs: a class without training samples counts as one with a single sample.
    """

    options_type = PostHocLogitAdjustmentOptions
    options: PostHocLogitAdjustmentOptions
    adjustment: Tensor

    def setup(self) -> None:
        log_priors = posthoc_log_prior(self.context.class_counts)
        self.register_buffer("adjustment", self.options.tau * log_priors)

    def adjust_logits(self, logits: Tensor) -> Tensor:
        return logits - self.adjustment.to(logits.dtype)

    def implied_log_prior(self) -> Tensor:
        return log_shares((1 - self.options.tau) * self.context.log_counts)
