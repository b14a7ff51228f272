"""Learnable weight scaling: one trained factor a class on the vanilla run's logits."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from bench.method import Stage, register_method
from bench.options import Options, Range

from ._posthoc import OnVanilla
from .sampling import balanced_epoch


class LearnableWeightScalingOptions(Options):
    """Settings of learnable weight scaling."""

    share: Annotated[float, Range(0.05, 0.5)] = Field(
        0.1, gt=0, le=1, description="epochs for the scales, as a part of the run's"
    )


@register_method(
    "lws",
    title="LWS",
    group="extension",
    reference="Kang et al., ICLR 2020, arXiv 1910.09217",
)
class LearnableWeightScaling(OnVanilla):
    """Keeps the vanilla network and trains a factor for each class by class-balanced sampling.

    Formula: ``z_k = f_k (w_k . h + b_k)``, ``L = CE(z, y)`` over ``f`` alone, which starts at 1.

    Settings: ``share`` in (0, 1], 0.1 here. Cost: the vanilla run (shared with that row) and
    10 % of its epochs without a backward pass through the network.

    When it helps: where rows of the last layer are too long for large classes. A factor stretches
    a logit and cannot move it across 0, so with two classes it corrects little.

    What differs: Adam at the common rate moves a factor by at most about the rate a step, the
    authors' SGD at 0.2 much further; raise ``share`` when factors have not settled.
    """

    options_type = LearnableWeightScalingOptions
    options: LearnableWeightScalingOptions

    def setup(self) -> None:
        self.scales = nn.Parameter(torch.ones(self.context.num_classes))

    def stages(self) -> tuple[Stage, ...]:
        # Nothing of the network trains; the scales do, being the method's own.
        return (Stage("scales", self.options.share, trained=lambda network: nn.Module()),)

    def sample_epoch(self, epoch: int) -> np.ndarray:
        return balanced_epoch(self.context, epoch, draw=epoch)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return super().loss(self.adjust_logits(logits), labels)

    def adjust_logits(self, logits: Tensor) -> Tensor:
        return self.scales * logits
