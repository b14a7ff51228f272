"""Control: cross-entropy on a class-balanced bootstrap of the training set."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bench.method import Method, log_shares, register_method
from bench.options import Options

from .sampling import balanced_epoch


class ClassBalancedSamplingOptions(Options):
    """Settings of class-balanced sampling."""

    redraw: Literal["once", "every_epoch"] = Field(
        "once", description="draw the bootstrap before training, or afresh every epoch"
    )


@register_method(
    "class_balanced_sampling",
    title="Class-balanced sampling",
    group="control",
    reference="the resampling step of the code released with arXiv 2504.04647",
)
class ClassBalancedSampling(Method):
    """Replaces the training set by as many draws from every class, and changes nothing else.

    Formula: ``floor(N / K)`` draws with replacement from each class that has training samples.

    Settings: ``redraw``, ``once`` as in the released code. Cost: as vanilla.

    When it helps: a correction of the prior by sampling. It is a control: the released code of
    the sub-cluster method resamples like this first, so what that method adds shows only against
    this row.
    """

    options_type = ClassBalancedSamplingOptions
    options: ClassBalancedSamplingOptions

    def sample_epoch(self, epoch: int) -> np.ndarray:
        draw = 0 if self.options.redraw == "once" else epoch
        return balanced_epoch(self.context, epoch, draw=draw)

    def implied_log_prior(self) -> Tensor:
        # As many draws from every class.
        return log_shares(torch.zeros(self.context.num_classes))
