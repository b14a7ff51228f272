"""Any method's finished run with its decision moved by one number chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from bench.method import Ensemble, register_method
from bench.options import NamesMethod, Options

from ._posthoc import PRIOR_POWERS, choose_tau, posthoc_log_prior

_ROLE = "first_stage"


class PosthocOptions(Options):
    """Whose predictions are moved."""

    method: Annotated[str, NamesMethod()] = Field(
        "vanilla", min_length=1, description="a method, with its options in brackets of its own"
    )


@register_method(
    "posthoc",
    title="Prior tuned",
    group="extension",
    reference="post-hoc logit adjustment, Menon et al., ICLR 2021, arXiv 2007.07314",
)
class Posthoc(Ensemble):
    """Takes as much of the training prior off a method's logits as validation likes best.

    Formula: ``argmax z - tau log pi``, ``z`` what the method predicts with; ``tau`` is the one of
    -1, -0.95, ..., 3 with the best balanced accuracy on validation, of equals the nearest to 0.

    Settings: ``method``, such as ``posthoc[method=cb[beta=0.99]]``; ``vanilla`` here, which is
    ``vanilla_tuned``. Cost: the run of that method, shared with its row, and next to nothing.

    When it helps: beside a method that does not correct the prior, and whose gain in balanced
    accuracy could otherwise not be told from that of a moved decision; compare with
    ``vanilla_tuned``. A method that has corrected the prior gets a ``tau`` near 0. With two classes
    it is the choice of a threshold.

    What differs: the original fixes ``tau`` at 1 or tunes it likewise, for cross-entropy alone. A
    class without training samples counts as one with a single sample. The run's epoch is the one
    selected without the shift.
    """

    options_type = PosthocOptions
    options: PosthocOptions

    @classmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        assert isinstance(options, PosthocOptions)
        return {_ROLE: options.method}

    def fit(self, logits: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
        given = logits[_ROLE].astype(np.float64)
        log_priors = self._log_priors()
        self._tau = choose_tau(
            PRIOR_POWERS,
            lambda tau: given - tau * log_priors,
            labels,
            self.context.num_classes,
        )

    def report(self) -> Mapping[str, Any]:
        return {"tau": self._tau}

    def state(self) -> Mapping[str, Any]:
        return {"tau": np.array(self._tau)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._tau = float(state["tau"])

    def logits(self, logits: Mapping[str, np.ndarray]) -> np.ndarray:
        given = logits[_ROLE]
        return given - (self._tau * self._log_priors()).astype(given.dtype)

    def _log_priors(self) -> np.ndarray:
        return posthoc_log_prior(self.context.class_counts).numpy()
