"""Influence-balanced loss in the second part of training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import Method, register_method
from bench.models.network import Network
from bench.options import Options, Range

from .losses.class_weights import inverse_frequency_weights
from .losses.influence_balanced import influence_balanced_loss


class InfluenceBalancedOptions(Options):
    """Settings of the influence-balanced loss."""

    alpha: Annotated[float, Range(100, 10_000, "log")] = Field(
        1000.0, gt=0, description="scale of the loss once it is balanced"
    )
    start: Annotated[float, Range(0.1, 0.75)] = Field(
        0.5, ge=0, lt=1, description="share of the epochs trained by plain cross-entropy first"
    )
    detach: bool = Field(
        True, description="keep gradients out of the factor (the authors' code lets them in)"
    )
    epsilon: Annotated[float, Range(1e-4, 1e-2, "log")] = Field(
        1e-3, gt=0, description="bounds the factor of certain samples"
    )


@register_method(
    "ib",
    title="IB Loss",
    group="paper",
    reference="Park et al., ICCV 2021, arXiv 2110.02444",
)
class InfluenceBalanced(Method):
    """Cross-entropy first; then each sample counts the less, the harder it pulls the classifier.

    Formula: ``L = 1/B sum_i w[y_i] f_i CE_i``, ``f = alpha / (||p - e_y||_1 ||h||_1 + epsilon)``,
    ``h`` what enters the last linear layer, ``w_k ~ 1 / n_k`` with mean 1.

    Settings: ``alpha`` > 0, 1000 here; ``start`` in [0, 1), 0.5; ``detach``, true here;
    ``epsilon`` > 0. Cost: as vanilla.

    When it helps: where few hard samples bend a boundary that most of a class already fits. As
    ``CE_i / ||p - e_y||_1`` only falls to 1/2, certain samples go on counting, at about
    ``w alpha / (2 ||h||_1)``.

    What differs: the factor is a weight, as the paper says; the authors' code lets gradients into
    it (``detach=false``), which rewards large ``||h||_1``. ``alpha`` is theirs; they also cut the
    rate to a hundredth for the second part, here the common schedule decays it. Adam's steps do
    not depend on the scale of the loss, but the part of weight decay in them does: with ``alpha``
    1 the loss falls from 0.8 to 0.002 when the second part begins, and decay weighs as much more.
    Chosen on validation, seed 100, 10 epochs, random / standard split: ``detach`` with 1000
    gave 74.8 / 73.7 on `hiv` and 88.7 / 85.5 on `chembl_target`; with 100 75.8 / 73.7 and
    85.0 / 82.8; 1000 without ``detach`` 66.4 / 50.0 and 79.5 / 75.2; 1 without it 77.4 / 75.2 on
    `chembl_target`, where vanilla has 89.7 / 91.0. ImDrug starts after one epoch and takes the
    norm of the embedding, three layers before the classifier, where it is not a gradient's norm.
    Only the second part may be selected: weights from before it are vanilla's.
    """

    options_type = InfluenceBalancedOptions
    options: InfluenceBalancedOptions
    weights: Tensor

    def setup(self) -> None:
        weights = inverse_frequency_weights(self.context.class_counts, gamma=1.0)
        self.register_buffer("weights", weights / weights[weights > 0].mean())
        self.balancing = self.options.start == 0

    def begin_epoch(self, epoch: int, network: Network) -> None:
        self.balancing = self._balances(epoch)

    def selectable(self, epoch: int) -> bool:
        return self._balances(epoch)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        if not self.balancing:
            return super().training_step(network, batch)
        features = network.head.hidden(network.encode(batch))
        return influence_balanced_loss(
            network.head.classifier(features),
            batch.labels,
            features,
            self.weights,
            alpha=self.options.alpha,
            epsilon=self.options.epsilon,
            detach=self.options.detach,
        )

    def _balances(self, epoch: int) -> bool:
        return epoch > self.options.start * self.context.epochs
