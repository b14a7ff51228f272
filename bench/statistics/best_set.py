"""Claims made together: which methods of a column the best one beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from bench.statistics.studentised_range import range_tail
from bench.statistics.variance import check_scores, covariance_of_means, errors_of_gaps


@dataclass(frozen=True)
class ConfidenceSet:
    """The best of k methods and those not significantly different from it.

    Attributes
    ----------
    best : int
        Place of the highest mean, of equal ones the first.
    members : tuple of int
        Places of the methods not distinguishable from the best, itself among them.
    gaps, errors : tuple of float, length k
        Mean of the best minus that of the method, and its standard error; 0 for the best.
    p_values : tuple of float, length k
        Adjusted for all comparisons of the column, and 1 for the best. Steps end with the first
        that is not significant: of other members, p is this or larger.
    degrees : int
        Degrees of freedom of the standard errors.
    """

    best: int
    members: tuple[int, ...]
    gaps: tuple[float, ...]
    errors: tuple[float, ...]
    p_values: tuple[float, ...]
    degrees: int


def confidence_set(
    scores: np.ndarray,
    sampling: np.ndarray | None = None,
    *,
    test_to_train: float,
    clusters: Sequence[int] | None = None,
    alpha: float = 0.05,
) -> ConfidenceSet | None:
    """The methods not significantly different from the best, family-wise at `alpha`.

    Parameters
    ----------
    scores : ndarray, shape (S, k)
        A row a seed, higher is better.
    sampling : ndarray, shape (S, k, k), optional
        From :func:`bench.statistics.sampling.sampling_covariance`.
    test_to_train : float
        Test samples / training samples of a split.
    clusters : sequence of int, length k, optional
        Equal for methods that depend on the same trained network; without it, none do.

    Returns
    -------
    ConfidenceSet or None
        None below two seeds or two methods, as nothing can be tested then.

    Raises
    ------
    ValueError
        Shapes do not fit or a score is not finite.

    Notes
    -----
    1. Means and their errors are those of
       :func:`bench.statistics.variance.covariance_of_means`.
    2. A set of p methods is rejected as a set of equals, at `alpha`, by two statistics, both in
       standard errors: how far its last is behind the best (Tukey's studentised range), and how
       far the mean of all others is, which finds a best that stands alone. Their chances are
       added.
    3. A method differs significantly from the best if every set that holds both is rejected
       (closed testing: Marcus, Peritz and Gabriel, Biometrika 1976, 63, 655).
    4. A difference whose standard error is 0 is never significant: equal differences of a few
       seeds are chance.

    Small sets keep `alpha`, as in the model confidence set of Hansen, Lunde and Nason
    (Econometrica 2011, doi:10.3982/ECTA5771), since all claims are about the best. Ryan, Einot,
    Gabriel and Welsch (Einot and Gabriel, JASA 1975, doi:10.2307/2285935) lower it, as they claim
    differences of any two methods. A simulation checks that tiers of equal methods stay within
    `alpha`. Holm's correction of k - 1 comparisons would not: the best is chosen after the scores
    were seen.

    Power, with twelve methods, three seeds and test sets like HIV's: a gap of 3 standard
    deviations of one score is found in 97 % of comparisons; all eleven below one best are found
    together in 94 % of tables.

    Limits: the claim holds for new seeds, splits and samples of this data set with these settings.
    It assumes that training noise is equal for all methods and independent between seeds and
    clusters, which few seeds cannot check. Where V is unknown and one of twelve equal methods is
    three times as noisy as the others, a false claim is made in 14 % of tables instead of 4 %.
    """
    seeds, methods = check_scores(scores, sampling, clusters)
    if seeds < 2 or methods < 2:
        return None
    covariance, degrees = covariance_of_means(
        scores, sampling, test_to_train=test_to_train, clusters=clusters
    )
    means = scores.mean(axis=0)
    best = int(means.argmax())
    gaps = means[best] - means
    errors = errors_of_gaps(covariance, best, scores)
    p_values = _closed(gaps, errors, degrees, alpha)
    return ConfidenceSet(
        best,
        tuple(np.flatnonzero(p_values > alpha).tolist()),
        tuple(gaps.tolist()),
        tuple(errors.tolist()),
        tuple(p_values.tolist()),
        degrees,
    )


def _closed(gaps: np.ndarray, errors: np.ndarray, degrees: int, alpha: float) -> np.ndarray:
    """Adjusted p of each method's gap to the best, whose own gap is 0.

    Of all sets of p methods with the best and a certain other one, that with the smallest gaps in
    standard errors is the hardest to reject, whatever the errors: only these sets are tested.
    """
    k = len(gaps)
    in_errors = np.divide(gaps, errors, out=np.zeros(k), where=errors > 0)
    order = np.argsort(in_errors, kind="stable")
    order = order[order != gaps.argmin()]
    rising = in_errors[order]
    p_values = np.ones(k)
    least = 0.0
    for last in range(k - 2, -1, -1):
        sets = (np.append(rising[:nearer], rising[last]) for nearer in range(last + 1))
        least = max(least, *(_p_of_set(of_others, degrees) for of_others in sets))
        p_values[order[: last + 1]] = least
        if least > alpha:
            break
    return p_values


def _p_of_set(in_errors: np.ndarray, degrees: int) -> float:
    """That p methods are equal, from the gaps (p - 1,) of the others to the best, rising."""
    methods = len(in_errors) + 1
    widest = float(in_errors[-1])
    # Gaps of equally exact means correlate by 1/2, as all are to the same one. Those to methods of
    # one cluster correlate more, but then the range is of fewer than p, which is worth more.
    lead = float(in_errors.mean()) * (2 * (methods - 1) / methods) ** 0.5
    largest = max(widest, lead)
    p = float(range_tail(np.array(2**0.5 * largest), methods, degrees))
    # Of two methods, both statistics are the same; of more, each may be the one that leads.
    return min(p + (methods * float(stdtr(degrees, -largest)) if methods > 2 else 0.0), 1.0)
