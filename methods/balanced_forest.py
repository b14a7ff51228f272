"""A random forest whose trees each see as many samples of every class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from bench.method import log_shares, register_method

from ._forest_arrays import Forest
from .ecfp_forest import EcfpForest

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.tree import DecisionTreeClassifier


@register_method(
    "balanced_forest",
    title="Balanced forest",
    group="peer",
    reference="Chen, Liaw and Breiman, Using random forest to learn imbalanced data, Berkeley "
    "technical report 666 (2004); Lemaître et al., JMLR 18 (2017), imbalanced-learn",
)
class BalancedForest(EcfpForest):
    """imbalanced-learn's forest on the features of ``ecfp_forest``.

    Formula: as ``ecfp_forest``, and each tree is grown on as many samples of every class as the
    smallest class has, drawn with replacement; no weights. ``tau`` is chosen likewise.

    Settings: those of ``ecfp_forest``.
    Cost: less than ``ecfp_forest``, as its trees are smaller; no GPU. Memory does not grow with
    the number of trees: one is held whole at a time, which takes 16 K^2 bytes for each sample of
    the smallest class, 40 MB with 572 classes of 7 or more.

    When it helps: it is a peer, which shows what the tool that people use gives on these splits.
    Where the smallest class has a few samples, each tree sees no more of the others.

    What differs: the package has no choice of ``tau``.
    """

    needs = {"imblearn": "pip install '.[peers]'"}  # noqa: RUF012

    def _fitted(self, features: csr_array, labels: np.ndarray, seed: int) -> Forest:
        if len(np.unique(labels)) == 1:
            # Nothing to balance, which the package refuses.
            return super()._fitted(features, labels, seed)
        trees = _grown(self.options.trees, features, labels, seed)
        return Forest.of(trees, np.unique(labels), features.shape[1])

    def implied_log_prior(self) -> Tensor:
        # A tree sees all classes equally often, and tau then takes powers of their shares off.
        return log_shares(-self._tau * self.context.log_counts)


def _grown(
    trees: int, features: csr_array, labels: np.ndarray, seed: int
) -> Iterator[DecisionTreeClassifier]:
    """Trees of imbalanced-learn's forest, one by one: with many classes each is large.

    A forest draws for one tree after the other, so that forests of one tree which share a
    generator are those of one forest. Its own warm start draws otherwise.
    """
    from imblearn.ensemble import BalancedRandomForestClassifier

    columns = features.tocsc()
    draws = np.random.RandomState(seed)
    for _ in range(trees):
        forest = BalancedRandomForestClassifier(1, n_jobs=1, random_state=draws)
        yield forest.fit(columns, labels).estimators_[0]
