"""Chance: the class that is most common in training, whatever the sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from bench.method import Estimator, Samples, log_shares, register_method


@register_method(
    "majority",
    title="Majority class",
    group="peer",
    reference="the rule without a sample; ZeroR in Witten, Frank and Hall, Data Mining (2011)",
)
class Majority(Estimator):
    """Predicts the class shares of training for every sample.

    Formula: ``z = log(n_k / N)``; a class without training samples counts as one with a single
    sample. Of equally large classes the first is predicted.

    Settings: none.
    Cost: none.

    When it helps: it is what every method must beat: its balanced accuracy is ``1 / K``.

    What differs: nothing.
    """

    reads_inputs = False

    def fit(self, train: Samples, valid: Samples) -> None:
        pass

    def state(self) -> Mapping[str, Any]:
        # The class counts, which whoever restores a method knows, are all that it needs.
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        pass

    def implied_log_prior(self) -> Tensor:
        return log_shares(self.context.log_counts)

    def logits(self, samples: Samples) -> np.ndarray:
        shares = self.implied_log_prior().numpy()
        return np.tile(shares, (len(samples.entities[0].values), 1))
