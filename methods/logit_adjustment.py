"""Logit adjustment as a loss: balanced softmax with a strength."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from bench.method import Method, log_shares, register_method
from bench.options import Options

from .losses.balanced_softmax import balanced_softmax_loss, log_prior


class LogitAdjustmentOptions(Options):
    """Settings of logit adjustment."""

    tau: float = Field(1.0, ge=0, description="0: vanilla; 1: balanced softmax")


@register_method(
    "logit_adjustment",
    title="LA Loss",
    group="extension",
    reference="Menon et al., ICLR 2021, arXiv 2007.07314",
)
class LogitAdjustment(Method):
    """Trains the softmax under ``tau`` times the log prior and predicts without it.

    Formula: ``L = CE(z + tau log pi, y)``, ``pi`` the class shares in training; prediction is
    ``argmax z``.

    Settings: ``tau`` >= 0, 1 here, where the row equals ``balanced_softmax``. Cost: as vanilla.

    When it helps: as balanced softmax; ``tau`` above 1 pushes further to the tail, below 1 less
    far.

    What differs: nothing of the formula. This is the loss; the same shift of a trained network's
    logits, which needs no training, is another method.
    """

    options_type = LogitAdjustmentOptions
    options: LogitAdjustmentOptions
    adjustment: Tensor

    def setup(self) -> None:
        self.register_buffer("adjustment", self.options.tau * log_prior(self.context.class_counts))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return balanced_softmax_loss(logits, labels, self.adjustment)

    def implied_log_prior(self) -> Tensor:
        return log_shares((1 - self.options.tau) * self.context.log_counts)
