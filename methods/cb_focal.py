"""Focal loss under class-balanced weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import register_method
from bench.options import Range

from .focal import Focal, FocalOptions
from .losses.class_weights import effective_number_weights
from .losses.focal import softmax_focal_loss


class ClassBalancedFocalOptions(FocalOptions):
    """Settings of the class-balanced focal loss."""

    beta: Annotated[float, Range(0.9, 0.99999, "near one")] = Field(
        0.9999, ge=0, lt=1, description="0: no weighting; 1: inverse frequency"
    )


@register_method(
    "cb_focal",
    title="CB Focal Loss",
    group="extension",
    reference="Cui et al., CVPR 2019, arXiv 1901.05555",
)
class ClassBalancedFocal(Focal):
    """Focal loss, each class weighted by the inverse of its effective number of samples.

    Formula: ``L = 1/B sum_i w[y_i] (1 - p_y)^gamma CE_i``, ``w`` as in ``cb``.

    Settings: ``beta`` in [0, 1), 0.9999 here, as ``cb``; ``gamma`` >= 0, 2 here, as ``focal``: so
    that the three rows and vanilla show what each half adds. Cost: as vanilla.

    When it helps: mostly through its weights; see ``cb``.

    What differs: softmax focal loss. The authors also use its sigmoid form, and tune ``beta`` and
    ``gamma`` for every data set. ImDrug has ``beta`` 0.999 and ``gamma`` 0.5.
    """

    options_type = ClassBalancedFocalOptions
    options: ClassBalancedFocalOptions
    weights: Tensor

    def setup(self) -> None:
        counts = self.context.class_counts
        self.register_buffer("weights", effective_number_weights(counts, beta=self.options.beta))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return softmax_focal_loss(logits, labels, gamma=self.options.gamma, weights=self.weights)
