"""Focal loss in its softmax form."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import Method, register_method
from bench.options import Options, Range

from .losses.focal import softmax_focal_loss


class FocalOptions(Options):
    """Settings of the focal loss."""

    gamma: Annotated[float, Range(0.5, 5)] = Field(
        2.0, ge=0, description="focusing exponent; 0: vanilla"
    )


@register_method(
    "focal",
    title="Focal Loss",
    group="extension",
    reference="Lin et al., ICCV 2017, arXiv 1708.02002",
)
class Focal(Method):
    """Weights each sample by how far its prediction still is from certain.

    Formula: ``L = 1/B sum_i (1 - p_y)^gamma CE_i``, ``p`` the softmax.

    Settings: ``gamma`` >= 0, 2 here. Cost: as vanilla.

    When it helps: it was made for detectors with very many easy negatives. It balances hard and
    easy samples, not classes, so balanced accuracy stays near vanilla's.

    What differs: softmax over classes instead of one sigmoid a class, and no weight a class
    (``cb_focal`` has these).
    """

    options_type = FocalOptions
    options: FocalOptions

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return softmax_focal_loss(logits, labels, gamma=self.options.gamma)
