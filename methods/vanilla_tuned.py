"""Control: the vanilla run with its decision moved by one number chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bench.method import log_shares, register_method
from bench.models.network import Network

from ._posthoc import PRIOR_POWERS, PostHoc, choose_tau, posthoc_log_prior


@register_method(
    "vanilla_tuned",
    title="Vanilla + threshold tuning",
    group="control",
    reference="post-hoc logit adjustment, Menon et al., ICLR 2021, arXiv 2007.07314",
)
class VanillaTuned(PostHoc):
    """Takes as much of the training prior off the vanilla logits as validation likes best.

    Formula: ``argmax z - tau log pi``; ``tau`` is the one of -1, -0.95, ..., 3 with the best
    balanced accuracy on validation, of equals the nearest to 0.

    Settings: none. Cost: the vanilla run (shared with that row) and one pass over validation.

    When it helps: it is a control. A method for the long tail should do better than vanilla with
    one number tuned on the data that selects every row's best epoch anyway.

    What differs: the original fixes ``tau`` at 1 or tunes it likewise. A class without training
    samples counts as one with a single sample.
    """

    log_priors: Tensor
    tau: Tensor

    def setup(self) -> None:
        self.register_buffer("log_priors", posthoc_log_prior(self.context.class_counts))
        self.register_buffer("tau", torch.zeros((), dtype=torch.float64))

    def conclude(self, network: Network) -> None:
        view = self.context.view
        logits = view.logits(network, "valid").double().cpu().numpy()
        log_priors = self.log_priors.double().cpu().numpy()
        tau = choose_tau(
            PRIOR_POWERS,
            lambda tau: logits - tau * log_priors,
            view.labels("valid").cpu().numpy(),
            self.context.num_classes,
        )
        self.tau.fill_(tau)

    def report(self) -> Mapping[str, Any]:
        return {"tau": self.tau.item()}

    def adjust_logits(self, logits: Tensor) -> Tensor:
        return logits - (self.tau * self.log_priors).to(logits.dtype)

    def implied_log_prior(self) -> Tensor:
        return log_shares((1 - self.tau.cpu()) * self.context.log_counts)
