"""Balanced softmax: the training prior is added to the logits in training only."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.method import Method, log_shares, register_method

from .losses.balanced_softmax import balanced_softmax_loss, log_prior


@register_method(
    "balanced_softmax",
    title="BS",
    group="paper",
    reference="Ren et al., NeurIPS 2020, arXiv 2007.10740",
)
class BalancedSoftmax(Method):
    """Trains the softmax under the training prior and predicts without it.

    Formula: ``L = CE(z + log n, y)``, ``n`` the training counts; prediction is ``argmax z``.

    Settings: none. Cost: as vanilla.

    When it helps: whenever classes count equally at test time; it is the Bayes-consistent
    correction of the prior for balanced error.

    What differs: the paper's second stage (meta-learned sampler) is not part of this row.
    """

    log_priors: Tensor

    def setup(self) -> None:
        self.register_buffer("log_priors", log_prior(self.context.class_counts))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return balanced_softmax_loss(logits, labels, self.log_priors)

    def implied_log_prior(self) -> Tensor:
        # The loss adds the training prior, so the logits are without it.
        return log_shares(torch.zeros(self.context.num_classes))
