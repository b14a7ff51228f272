"""Two methods compared: by test sample within runs, and by seed.

Both take the same splits for both methods, so that what a split does to both drops out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import permutation_test
from scipy.stats import t as student

from bench.statistics.power import smallest_p

Sign = Literal["above", "below", "alike"]


@dataclass(frozen=True)
class Difference:
    """First minus second, with an interval and a two-sided p value, in the unit of the scores."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def sign(self) -> Sign:
        """Which side of 0 the whole interval lies on; alike also where there is no interval."""
        if self.low > 0:
            return "above"
        return "below" if self.high < 0 else "alike"


@dataclass(frozen=True)
class SeedDifference(Difference):
    """A difference over seeds.

    Attributes
    ----------
    low, high : float
        Interval of the corrected resampled t test; nan below two seeds.
    p : float
        Of the exact sign-flip test.
    n : int
        Pairs.
    effect_size : float
        Cohen's d_z, mean / standard deviation of the differences, with Hedges' correction for few
        pairs; nan below two seeds or without deviation.
    smallest_p : float
        No difference, however large, gives a smaller p with so many pairs.
    """

    n: int
    effect_size: float
    smallest_p: float


@dataclass(frozen=True)
class CorrectedT:
    """The corrected resampled t test.

    Attributes
    ----------
    statistic : float
        t; infinite where the differences do not vary, nan where they are all 0.
    degrees : int
        Degrees of freedom, n - 1.
    low, high : float
        95 % interval of the mean difference.
    p : float
        Two-sided.
    """

    statistic: float
    degrees: int
    low: float
    high: float
    p: float


def paired_bootstrap(
    correct_a: Sequence[np.ndarray],
    correct_b: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    *,
    seed: int,
    repeats: int = 2000,
    confidence: float = 0.95,
) -> Difference:
    """Difference of balanced accuracy on the same test samples, which are drawn anew.

    In each repeat the samples of a run are drawn with replacement within each class, the same for
    both methods, and the differences are averaged over runs. The interval is that of the
    percentiles; p is twice the smaller share of repeats on one side of 0, with one repeat added to
    both so that it is never 0. Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    sections 8 and 13.

    It says whether *these trained models* differ on new samples. How much training the same
    methods again would change is not in it: for methods see
    :func:`bench.statistics.family.group_of_best`.

    Parameters
    ----------
    correct_a, correct_b : sequence of ndarray of bool, each of shape (M,)
        One a run: whether the method's prediction is right. M may differ between runs.
    labels : sequence of ndarray of int64, each of shape (M,)
        Classes of the same samples.
    seed : int
        Of the draws.

    Raises
    ------
    ValueError
        The arrays do not fit each other, or there is none.
    """
    _check_runs(correct_a, correct_b, labels)
    rng = np.random.default_rng(seed)
    drawn = np.zeros(repeats)
    mean = 0.0
    for a, b, classes in zip(correct_a, correct_b, labels, strict=True):
        outcome = a.astype(np.int64) - b.astype(np.int64)
        present = np.unique(classes)
        for k in present:
            own = outcome[classes == k]
            share = len(present) * len(own) * len(labels)
            counts = np.bincount(own + 1, minlength=3)
            mean += float(own.sum()) / share
            # A draw of n samples with replacement is one of how often each outcome comes.
            again = rng.multinomial(len(own), counts / len(own), size=repeats)
            drawn += (again[:, 2] - again[:, 0]) / share
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    side = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    p = min(1.0, 2 * (side + 1) / (repeats + 1))
    return Difference(mean, float(low), float(high), p)


def paired_by_seed(
    a: Sequence[float], b: Sequence[float], *, test_to_train: float = 0.0
) -> SeedDifference:
    """Difference of two methods over seeds.

    p is that of the exact sign-flip test (all 2^n signs of the differences; Fisher, The Design of
    Experiments, 1935, section 21), the only one that asks for no distribution. It is bounded by
    the number of seeds, which ``smallest_p`` says. The interval is the corrected resampled t
    interval.

    Parameters
    ----------
    a, b : sequence of float, length n
        Scores of the same seeds in the same order.
    test_to_train : float
        Test samples / training samples of a split; 0 where seeds share no samples.

    Raises
    ------
    ValueError
        The lengths differ, or there is no pair.
    """
    differences = np.subtract(a, b) if len(a) == len(b) else np.array([])
    n = len(differences)
    if n == 0:
        raise ValueError(
            f"Expected scores of the same seeds, at least one, but got {len(a)} and {len(b)}."
        )
    mean = float(differences.mean())
    if n == 1:
        nan = float("nan")
        return SeedDifference(mean, nan, nan, 1.0, 1, nan, smallest_p(1))
    corrected = corrected_resampled_t(differences, test_to_train)
    flipped = permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    std = float(differences.std(ddof=1))
    # Hedges, Journal of Educational Statistics 1981, doi:10.3102/10769986006002107, approximate.
    effect = (1 - 3 / (4 * (n - 1) - 1)) * mean / std if std > 0 else float("nan")
    return SeedDifference(
        mean, corrected.low, corrected.high, float(flipped.pvalue), n, effect, smallest_p(n)
    )


def corrected_resampled_t(
    differences: Sequence[float] | np.ndarray, test_to_train: float, confidence: float = 0.95
) -> CorrectedT:
    """Test differences over splits of the same data with a corrected t.

    t = mean / (std sqrt(1 / n + n_test / n_train)) with n - 1 degrees of freedom. Splits share
    samples, so their differences are alike beyond the true one, and the plain t test (without the
    second term) claims far too much. Nadeau and Bengio, Machine Learning 2003,
    doi:10.1023/A:1024068626366, section 5.

    Parameters
    ----------
    differences : sequence of float, length n
        One a split.
    test_to_train : float
        Test samples / training samples of a split.

    Raises
    ------
    ValueError
        There are fewer than two differences.
    """
    n = len(differences)
    if n < 2:
        raise ValueError(f"Expected the differences of two splits or more, but got {n}.")
    mean = float(np.mean(differences))
    error = float(np.std(differences, ddof=1)) * (1 / n + test_to_train) ** 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = float(np.divide(mean, error))
    half = float(student.ppf((1 + confidence) / 2, n - 1)) * error
    p = float(2 * student.sf(abs(statistic), n - 1))
    return CorrectedT(statistic, n - 1, mean - half, mean + half, p)


def _check_runs(*sides: Sequence[np.ndarray]) -> None:
    shapes = [[array.shape for array in side] for side in sides]
    flat = all(len(shape) == 1 and shape[0] for shape in shapes[0])
    if not shapes[0] or not flat or any(shape != shapes[0] for shape in shapes):
        raise ValueError(
            "Expected three arrays (M,) of at least one sample for each run, but got the shapes "
            f"{' and '.join(map(str, shapes))}."
        )
