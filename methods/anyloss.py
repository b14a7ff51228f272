"""Trains for balanced accuracy itself, by a confusion matrix that can be differentiated."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import Method, register_method
from bench.models.network import Network
from bench.options import Options, Range

from .losses.anyloss import Metric, metric_loss


class AnyLossOptions(Options):
    """Settings of a metric as a loss."""

    metric: Metric = Field("balanced_accuracy", description="of a batch, that is made large")
    amplification: Annotated[float, Range(2, 73, "log")] = Field(
        10.0, gt=0, description="how nearly predictions count as 0 or 1"
    )
    warm_up: Annotated[float, Range(0.05, 0.5)] = Field(
        0.2, ge=0, lt=1, description="share of the epochs with cross-entropy, at the start"
    )


@register_method(
    "anyloss",
    title="AnyLoss",
    group="extension",
    reference="Han et al., 2024, arXiv 2405.14745",
)
class AnyLoss(Method):
    """After a warm-up with cross-entropy, minimises 1 minus the balanced accuracy of each batch.

    Formula: ``a = softmax(A/2 p)`` with ``p`` the softmax and ``A = amplification``;
    ``TP_k`` is the sum of ``a_ik`` over the ``P_k`` samples of class k in the batch, and
    ``L = 1 - mean_k TP_k / P_k`` over the classes in it. ``metric`` g_mean takes the geometric
    mean, macro_f1 the mean of ``2 TP_k / (P_k + sum_i a_ik)``.

    Settings: ``metric``; ``amplification`` > 0, 10 here; ``warm_up`` in [0, 1), 0.2, of the epochs
    but at least one, or 0.
    Cost: as vanilla.

    When it helps: every class of a batch counts the same, so the prior is corrected by what is
    measured. A class's term rests on the one or two samples that a batch has of it. Samples that
    are wrong with confidence have hardly any gradient, hence the warm-up.

    What differs: the paper has two classes and ``a = sigmoid(A (p - 1/2))``, which this equals
    there. For more classes the softmax is ours: one sigmoid a class against the rest has no
    gradient where p is 1/K. The paper amplifies by more. Only epochs after warm-up may be selected:
    before, it is vanilla.
    """

    options_type = AnyLossOptions
    options: AnyLossOptions

    def setup(self) -> None:
        self.warming_up = self.options.warm_up > 0

    def begin_epoch(self, epoch: int, network: Network) -> None:
        self.warming_up = not self.selectable(epoch)

    def selectable(self, epoch: int) -> bool:
        share = self.options.warm_up
        return epoch > (max(1.0, share * self.context.epochs) if share else 0.0)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.warming_up:
            return super().loss(logits, labels)
        settings = self.options
        return metric_loss(
            logits, labels, amplification=settings.amplification, metric=settings.metric
        )
