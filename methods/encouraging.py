"""Cross-entropy with a bonus for what is classified well already."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import Method, register_method
from bench.options import Options, Range

from .losses.encouraging import encouraging_loss


class EncouragingOptions(Options):
    """Settings of the encouraging loss."""

    tangent_from: Annotated[float, Range(0, 0.9)] = Field(
        0.5, ge=0, le=1, description="probability from which the bonus is linear; 1: never"
    )


@register_method(
    "encouraging",
    title="Encouraging Loss",
    group="extension",
    reference="Zhao et al., AAAI 2022, arXiv 2110.06537",
)
class Encouraging(Method):
    """Keeps learning from samples that are classified well, where cross-entropy lets go of them.

    Formula: ``L = 1/B sum_i CE_i + b(p_y)``, ``b(p) = log(1 - p)``, from ``p = tangent_from`` on
    its tangent: the opposite of the focal loss. The gradient in the own logit is -1 up to there,
    where that of cross-entropy is ``-(1 - p)``.

    Settings: ``tangent_from`` in [0, 1], 0.5 here, which the authors call good everywhere; they
    start from 0.75. Cost: as vanilla.

    When it helps: where features gain from margins between samples that are right already. It
    knows nothing of class sizes, so balanced accuracy stays near vanilla's; compare it with a
    power of the prior chosen after training.

    What differs: the authors also switch the bonus on or off when class weights start, and train
    a new classifier on the features; here the bonus is there throughout. With two classes and
    ``tangent_from`` 1 the loss is ``z_other - z_y``: logits grow without limit, so that only
    values below 1 converge. The loss is negative for confident samples.
    """

    options_type = EncouragingOptions
    options: EncouragingOptions

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return encouraging_loss(logits, labels, tangent_from=self.options.tangent_from)
