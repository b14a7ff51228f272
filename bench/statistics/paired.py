"""Two methods compared on the same splits, so that what a split does to both drops out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its `stats`, which takes long to import, is imported when it is used

from bench.statistics.variance import check_scores, covariance_of_means, errors_of_gaps

Sign = Literal["above", "below", "alike"]


@dataclass(frozen=True)
class Difference:
    """First minus second with a 95 % interval, in the unit of the scores.

    Attributes
    ----------
    pairs : int
        Seeds that both methods have.
    """

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def significant(self) -> bool | None:
        """Whether the interval leaves out 0; None where it has no width."""
        return None if self.low >= self.high else self.low > 0 or self.high < 0

    @property
    def reversed(self) -> Difference:
        """Second minus first."""
        return Difference(-self.mean, -self.high, -self.low, self.pairs)

    @property
    def sign(self) -> Sign:
        """Which side of 0 the whole interval lies on; alike also where it has no width.

        An interval without width is that of a few differences that are equal by chance.
        """
        if not self.significant:
            return "alike"
        return "above" if self.low > 0 else "below"


def paired_difference(
    scores: np.ndarray,
    sampling: np.ndarray,
    *,
    test_to_train: float,
    confidence: float = 0.95,
) -> Difference:
    """Mean difference of two methods over seeds, with the interval of one comparison.

    The variance is that of :func:`bench.statistics.variance.covariance_of_means`, on which
    :func:`bench.statistics.best_set.confidence_set` rests, with Student's t. In a column of two
    methods, bold and this interval say the same; in one of more they can differ, as bold is a test
    of the whole column, with noise pooled over all its methods. The variance is never below that
    of the test samples. Where the two are equal, the interval leaves out 0 in at most 6 % of
    simulated comparisons on two to five seeds.

    Of one seed, the variance is that of the test samples alone, and the interval holds for these
    two trained networks only.

    Parameters
    ----------
    scores : ndarray, shape (S, 2)
        A row a seed.
    sampling : ndarray, shape (S, 2, 2)
        From :func:`bench.statistics.sampling.sampling_covariance`.
    test_to_train : float
        Test samples / training samples of a split.

    Raises
    ------
    ValueError
        Shapes do not fit, a score is not finite, or there is no seed.
    """
    seeds, methods = check_scores(scores, sampling)
    if seeds < 1 or methods != 2:
        raise ValueError(
            f"Expected scores of two methods on one seed at least, but got shape {scores.shape}."
        )
    mean = float((scores[:, 0] - scores[:, 1]).mean())
    covariance, degrees = (
        (sampling[0], np.inf)
        if seeds == 1
        else covariance_of_means(scores, sampling, test_to_train=test_to_train)
    )
    quantile = float(scipy.stats.t.ppf((1 + confidence) / 2, degrees))
    half = quantile * float(errors_of_gaps(covariance, 0, scores)[1])
    return Difference(mean, mean - half, mean + half, seeds)
