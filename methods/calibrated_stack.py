"""Our own row: a graph network and a forest, weighted and moved together on validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from bench.method import Ensemble, register_method
from bench.options import Options
from methods.losses.stacking import Stacking, fit_stacking


class CalibratedStackOptions(Options):
    """Which methods are stacked, and how."""

    members: str = Field(
        "balanced_softmax+ecfp_forest", description="methods, of equal rank, with + between them"
    )
    calibrate: bool = Field(
        True, description="fit on validation; false: the plain mean of log probabilities"
    )

    @field_validator("members")
    @classmethod
    def _distinct(cls, members: str) -> str:
        names = members.split("+")
        if not all(names) or len(set(names)) < len(names):
            raise ValueError(f"Expected different names with + between them, but got {members!r}.")
        return members


@register_method(
    "calibrated_stack",
    title="Calibrated stack (ours)",
    group="extension",
    reference="this benchmark; Wolpert, Neural Networks 5 (1992), 10.1016/S0893-6080(05)80023-1; "
    "Menon et al., ICLR 2021, arXiv 2007.07314 (balanced error)",
)
class CalibratedStack(Ensemble):
    """Adds what a graph network and a forest on fingerprints say, as validation balances them.

    Formula: ``z = sum_m w_m log p_m + b``, ``w >= 0`` and ``b`` those of the least log loss on
    validation when every class counts the same (:func:`.losses.stacking.fit_stacking`).

    Settings: ``members``, ``calibrate``. Cost: the runs of its members, shared with their rows, and
    less than a second.

    When it helps: where members err on different samples. A network that knows the neighbourhood of
    each atom and a forest that knows which fragments are there do. The biases move the decision as
    ``tau`` does in ``vanilla_tuned``, but by a smooth loss of all validation samples, which picks
    less noise than a scan of balanced accuracy over a hundred samples of the tail.

    What differs: plain stacking fits the loss of the data as they come; here classes count the
    same, as they do in the metric. It has seen the budget of each of its members.
    """

    options_type = CalibratedStackOptions
    options: CalibratedStackOptions

    @classmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        assert isinstance(options, CalibratedStackOptions)
        return {name: name for name in options.members.split("+")}

    def fit(self, logits: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
        members = self._ordered(logits)
        if self.options.calibrate:
            self._stacking = fit_stacking(members, labels)
        else:
            self._stacking = Stacking(
                np.full(len(members), 1 / len(members)), np.zeros(self.context.num_classes)
            )

    def report(self) -> Mapping[str, Any]:
        return {
            "weights": self._stacking.weights.tolist(),
            "biases": self._stacking.biases.tolist(),
        }

    def logits(self, logits: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._stacking.logits(self._ordered(logits))

    def _ordered(self, logits: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [logits[name] for name in self.options.members.split("+")]
