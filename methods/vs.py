"""Vector-scaling loss: class-dependent temperatures and logit adjustment together."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import Method, register_method
from bench.options import Options, Range

from .losses.balanced_softmax import log_prior
from .losses.cdt import class_temperatures
from .losses.vs import vs_loss


class VectorScalingOptions(Options):
    """Settings of the vector-scaling loss."""

    gamma: Annotated[float, Range(0.05, 0.5)] = Field(
        0.3, ge=0, description="exponent of the temperatures; 0: none"
    )
    tau: Annotated[float, Range(0.5, 2)] = Field(
        1.0, ge=0, description="weight of the log prior; 0: none"
    )


@register_method(
    "vs",
    title="VS Loss",
    group="extension",
    reference="Kini et al., NeurIPS 2021, arXiv 2103.01550",
)
class VectorScaling(Method):
    """Divides logits of rare classes and adds the log prior, both in training only.

    Formula: ``L = CE(z / a + tau log pi, y)``, ``a_k = (n_max / n_k)^gamma``; prediction is
    ``argmax z``.

    Settings: ``gamma`` >= 0, 0.3 here; ``tau`` >= 0, 1 here; the authors tune both for every data
    set. Cost: as vanilla.

    When it helps: the additive part acts early, the multiplicative part goes on acting once the
    training set is fitted. ``gamma`` 0 is logit adjustment, ``tau`` 0 is CDT.

    What differs: nothing of the formula.
    """

    options_type = VectorScalingOptions
    options: VectorScalingOptions
    temperatures: Tensor
    log_priors: Tensor

    def setup(self) -> None:
        counts = self.context.class_counts
        self.register_buffer("temperatures", class_temperatures(counts, gamma=self.options.gamma))
        self.register_buffer("log_priors", log_prior(counts))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return vs_loss(logits, labels, self.temperatures, self.log_priors, tau=self.options.tau)
