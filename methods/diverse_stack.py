"""Our own row with members that err differently: networks, a forest and boosted trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from bench.method import register_method
from bench.options import NotSearched, Options
from bench.spec import split_list

from ._stacking import StackedEnsemble, fit_stacking


class DiverseStackOptions(Options):
    """Which methods are stacked."""

    members: Annotated[str, NotSearched()] = Field(
        "balanced_softmax+balanced_softmax[backbone=mpnn_ecfp]+ecfp_forest+gbdt",
        description="methods with + between them, each a classifier of its own",
    )

    @property
    def names(self) -> list[str]:
        """The methods of `members`."""
        return split_list(self.members, "+")

    @model_validator(mode="after")
    def _is_a_stack(self) -> DiverseStackOptions:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError(
                f"expected different methods with + between them, but got {self.members!r}"
            )
        return self


@register_method(
    "diverse_stack",
    title="Diverse stack (ours)",
    group="extension",
    reference="this benchmark; Wolpert, Neural Networks 5 (1992), 10.1016/S0893-6080(05)80023-1; "
    "Menon et al., ICLR 2021, arXiv 2007.07314 (balanced error, prior)",
)
class DiverseStack(StackedEnsemble):
    """Adds what networks, a forest and boosted trees say, as validation balances them.

    Formula: ``z = sum_m w_m log p_m - tau log pi``, ``pi`` the class shares in training, ``w >= 0``
    and ``tau`` those of the least log loss on validation when every class counts the same
    (:func:`._stacking.fit_stacking`).

    Settings: ``members``. Cost: the runs of its members, shared with their rows, and less than a
    second.

    When it helps: where classifiers err on different samples. A member that adds nothing gets the
    weight 0.

    What differs: it has seen the budget of all its members. ``calibrated_stack`` has a free bias
    for each class, which of many classes a few samples of validation decide each; here one number
    moves all of them, as in ``vanilla_tuned``. With two classes both are the same.
    """

    options_type = DiverseStackOptions
    options: DiverseStackOptions

    @classmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        assert isinstance(options, DiverseStackOptions)
        return {name: name for name in options.names}

    def fit(self, logits: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
        log_prior = self.context.log_counts.numpy()
        self._stacking = fit_stacking(self.classifiers(logits), labels, log_prior)

    def classifiers(self, logits: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Those of the members, in their order."""
        return [logits[name] for name in self.options.names]
