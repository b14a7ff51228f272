"""The rows of the vanilla run's last layer, shortened by a power of their length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bench.method import register_method
from bench.models.network import Network

from ._posthoc import PostHoc, choose_tau

TAUS = tuple(step / 10 for step in range(21))


@register_method(
    "tau_norm",
    title="tau-norm",
    group="extension",
    reference="Kang et al., ICLR 2020, arXiv 1910.09217",
)
class TauNorm(PostHoc):
    """Evens out the lengths of the last layer's rows in the vanilla run; trains nothing.

    Formula: ``z_k = (w_k / ||w_k||^tau) . h``; the bias is dropped, ``tau`` is the one of 0, 0.1,
    ..., 2 with the best balanced accuracy on validation, the smallest of equals.

    Settings: none. Cost: the vanilla run (shared with that row) and one pass over validation.

    When it helps: where rows are longer for larger classes, as after long training by SGD. After
    Adam with weight decay on a perceptron the lengths may hardly differ, and the bias dropped is
    then most of the change.

    What differs: the layer is the last of a perceptron, with three layers below it; the original
    has only one.
    """

    tau: Tensor

    def setup(self) -> None:
        self.register_buffer("tau", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def conclude(self, network: Network) -> None:
        view, classifier = self.context.view, network.head.classifier
        features = network.head.hidden(view.embeddings(network, "valid"))
        tau = choose_tau(
            TAUS,
            lambda tau: (features @ normalised_rows(classifier.weight, tau).T).cpu().numpy(),
            view.labels("valid").cpu().numpy(),
            self.context.num_classes,
        )
        self.tau.fill_(tau)
        classifier.weight.copy_(normalised_rows(classifier.weight, tau))
        classifier.bias.zero_()

    def report(self) -> Mapping[str, Any]:
        return {"tau": self.tau.item()}


def normalised_rows(weight: Tensor, tau: float) -> Tensor:
    """``w_k / ||w_k||^tau``, shape (K, D), from `weight` (K, D); a row of zeros stays.

    Kang et al., ICLR 2020, arXiv 1910.09217, eq. 3.

    Examples
    --------
    >>> normalised_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), 1.0)
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    lengths = weight.norm(dim=1, keepdim=True)
    return weight / torch.where(lengths > 0, lengths, 1) ** tau
