"""Trees on balanced samples that turn from all that is hard to what is hardest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field
from torch import Tensor

from bench.method import register_method
from bench.options import Range

from ._forest_arrays import Forest
from .ecfp_forest import EcfpForest, EcfpForestOptions

# scikit-learn and SciPy take a while to import and are imported where they are used.
if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.tree import DecisionTreeClassifier

# Added to weights' denominators: samples that all trees have right have hardness 0.
_LEAST_HARDNESS = 1e-12


class SelfPacedEnsembleOptions(EcfpForestOptions):
    """Settings of the ensemble and its fingerprints."""

    trees: Annotated[int, Range(30, 300, "log")] = Field(
        100, ge=1, le=100_000, description="number of trees"
    )
    tune: bool = Field(False, description="choose the power of the prior on validation")
    bins: Annotated[int, Range(2, 20, "log")] = Field(
        5, ge=1, le=1000, description="of equal width, between the easiest and the hardest sample"
    )
    least: Annotated[int, Range(10, 200, "log")] = Field(
        50, ge=1, description="samples that a tree draws of a class, where it has that many"
    )


@register_method(
    "self_paced_ensemble",
    title="Self-paced ensemble",
    group="extension",
    reference="Liu et al., ICDE 2020, arXiv 1909.03500",
)
class SelfPacedEnsemble(EcfpForest):
    """Trees in turn, each on as many samples of all classes, drawn by how hard they are by then.

    Formula: a sample's hardness is ``h = 1 - p_y``, ``p`` the mean of the trees so far. Within a
    class, ``bins`` of equal width divide the range of h; a bin of mean hardness ``h_b`` has weight
    ``1 / (h_b + alpha_t)``, shared by its samples, with ``alpha_t = tan(pi/2 t / (T - 1))`` for
    tree t of T, from 0. The first tree draws all alike. ``z = log p`` of all trees and one more
    that knows nothing.

    Of a class of n samples a tree sees ``min(n, max(n_min, least))``, drawn with replacement, or
    all of them where that is n.

    Settings: ``trees`` 100, ``bins`` 5, ``least`` 50; ``radius``, ``bits``, ``combine`` and
    ``tune``, off here, as ``ecfp_forest``, whose features it has.
    Cost: seconds to minutes, whatever the number of epochs; each tree predicts the training set;
    no GPU.

    When it helps: where a few boundary samples of a large class matter and most are easy: early
    trees draw bins by 1/h, late ones all bins alike, so that hard samples get an ever larger
    share. Trees see all classes about equally often, which corrects the prior.

    What differs: the authors draw as many samples of every class as the smallest has, with two
    classes in mind; with 29 classes of 5 samples and more, a tree would see 145. They draw fixed
    numbers from each bin; here the draw is by probabilities. Their running mean divides by one
    tree too many: after the first tree it is half of what that tree predicts. Here it is the mean.
    """

    options_type = SelfPacedEnsembleOptions
    options: SelfPacedEnsembleOptions

    def _fitted(self, features: csr_array, labels: np.ndarray, seed: int) -> Forest:
        classes, own = np.unique(labels, return_inverse=True)
        trees = self._grown(features, own, len(classes), np.random.default_rng(seed))
        return Forest.of(trees, classes, features.shape[1])

    def _grown(
        self, features: csr_array, own: np.ndarray, num_classes: int, rng: np.random.Generator
    ) -> Iterator[DecisionTreeClassifier]:
        """Trees of `features` (n, D) and classes `own` (n,), one by one."""
        from sklearn.tree import DecisionTreeClassifier

        members = [np.flatnonzero(own == k) for k in range(num_classes)]
        least = max(self.options.least, min(map(len, members)))
        places, votes = np.arange(len(own)), np.zeros(len(own))
        for tree in range(self.options.trees):
            hardness = 1 - votes / max(tree, 1)
            alpha = self_paced_alpha(tree, self.options.trees)
            chosen = np.concatenate(
                [
                    samples
                    if len(samples) <= least
                    else rng.choice(
                        samples,
                        size=least,
                        p=draw_probabilities(
                            hardness[samples], bins=self.options.bins, alpha=alpha
                        ),
                    )
                    for samples in members
                ]
            )
            grown = DecisionTreeClassifier(random_state=int(rng.integers(2**31)))
            grown.fit(features[chosen], own[chosen])
            votes += grown.predict_proba(features)[places, own]
            yield grown

    def implied_log_prior(self) -> Tensor | None:
        # Which samples of a class are drawn depends on what is predicted for them.
        return None


def self_paced_alpha(tree: int, trees: int) -> float:
    """``tan(pi/2 t / (T - 1))`` for tree t of T, from 0: 0 at first, beyond all bounds at last.

    Examples
    --------
    >>> [round(self_paced_alpha(tree, 5), 6) for tree in range(4)]
    [0.0, 0.414214, 1.0, 2.414214]
    """
    return math.tan(math.pi / 2 * tree / max(trees - 1, 1))


def draw_probabilities(hardness: np.ndarray, *, bins: int, alpha: float) -> np.ndarray:
    """Probability of each sample of a class to be drawn, adding up to 1.

    Parameters
    ----------
    hardness : ndarray, shape (n,)
        From 0 to 1; when all are equal, all samples are equally likely.
    bins : int
        Of equal width from the least to the largest hardness, the last one closed.
    alpha : float
        A bin of mean hardness h has weight ``1 / (h + alpha)``: 0 evens out what the bins
        contribute to the error, infinity draws from all bins alike.

    Returns
    -------
    ndarray of float64, shape (n,)

    References
    ----------
    Liu et al., "Self-paced Ensemble for Highly Imbalanced Massive Data Classification", ICDE 2020,
    arXiv 1909.03500, Algorithm 1.

    Examples
    --------
    Bins of mean hardness 0.1, with two samples, and 0.9.

    >>> draw_probabilities(np.array([0.1, 0.1, 0.9]), bins=2, alpha=0.0).round(6)
    array([0.45, 0.45, 0.1 ])
    """
    low, width = hardness.min(), np.ptp(hardness)
    if width == 0:
        return np.full(len(hardness), 1 / len(hardness))
    bin_of = np.minimum(((hardness - low) / width * bins).astype(np.int64), bins - 1)
    sizes = np.maximum(np.bincount(bin_of, minlength=bins), 1)
    means = np.bincount(bin_of, hardness, minlength=bins) / sizes
    weights = 1 / (means + alpha + _LEAST_HARDNESS)
    shares = (weights / sizes)[bin_of]
    return shares / shares.sum()
