"""Cost-sensitive cross-entropy: weights from inverse class frequency."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from bench.method import Method, log_shares, register_method
from bench.options import Options

from .losses.class_weights import inverse_frequency_weights
from .losses.cross_entropy import weighted_cross_entropy


class CostSensitiveOptions(Options):
    """Settings of cost-sensitive training."""

    gamma: float = Field(1.0, ge=0, description="0: vanilla; 1: inverse frequency")


@register_method(
    "cost_sensitive",
    title="CS Loss",
    group="paper",
    reference="Japkowicz and Stephen, Intelligent Data Analysis 6 (2002), 10.3233/IDA-2002-6504",
)
class CostSensitive(Method):
    """Weights each class by its inverse frequency to the power ``gamma``.

    Formula: ``w_k = (n_min / n_k)^gamma``, ``L = sum_i w[y_i] CE_i / sum_i w[y_i]``.

    Settings: ``gamma`` >= 0, 1 here. Cost: as vanilla.

    When it helps: on par with class-balanced sampling; with few tail samples their large weights
    make gradients noisy.
    """

    options_type = CostSensitiveOptions
    options: CostSensitiveOptions
    weights: Tensor

    def setup(self) -> None:
        counts = self.context.class_counts
        self.register_buffer("weights", inverse_frequency_weights(counts, gamma=self.options.gamma))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return weighted_cross_entropy(logits, labels, self.weights, reduction="normalised")

    def implied_log_prior(self) -> Tensor:
        return log_shares(self.context.log_counts + self.weights.cpu().log())
