"""Claims made together: which methods of a column the best one beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from bench.statistics.studentised_range import range_tail

# Where Student's distribution is normal to the last digit printed.
_MANY_DEGREES = 100_000


@dataclass(frozen=True)
class Group:
    """The best of k methods and those that cannot be told from it.

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


def group_of_best(
    scores: np.ndarray,
    sampling: np.ndarray | None = None,
    *,
    test_to_train: float,
    alpha: float = 0.05,
) -> Group | None:
    """The methods that are not told from the best, family-wise at `alpha`.

    A score is method + seed + training noise + chance of the test samples, and the seed drops out
    of differences. V is the covariance of the k scores of a run by its test samples, from its
    predictions, averaged over seeds. tau^2 is the variance by training, alike for all methods:
    what the mean square of the residuals of methods by seeds has beyond what V explains, at
    least 0. The means over S seeds then have the covariance

        (1 + (S - 1) rho) / S V + tau^2 / S I,   rho = r / (1 + r),   r = n_test / n_train.

    Test parts of the same data share samples: rho is the correlation that Nadeau and Bengio
    (Machine Learning 2003, doi:10.1023/A:1024068626366) give to them. Without V, rho holds for
    all of the variance and tau^2 is multiplied by 1 / S + r as they do. Degrees of freedom are
    (k - 1)(S - 1), more where V makes up much of the variance (Satterthwaite, Biometrics 1946, 2,
    110).

    A method is told from the best where every set of p methods that holds both is rejected as a
    set of equals, each at `alpha` (closed testing: Marcus, Peritz and Gabriel, Biometrika 1976,
    63, 655). Two statistics reject a set, both in standard errors: how far its last is behind the
    best (Tukey's studentised range), and how far the mean of all others is, which finds a best
    that stands alone; their chances are added. Ryan, Einot, Gabriel and Welsch (Einot and Gabriel,
    JASA 1975, doi:10.2307/2285935) lower `alpha` for small sets, as they claim differences of any
    two methods. Here all claims are about one method and small sets keep `alpha`, as in the model
    confidence set of Hansen, Lunde and Nason (Econometrica 2011, doi:10.3982/ECTA5771); that tiers
    of equal methods at any distance stay within it is checked by simulation. Not Holm's correction
    of k - 1 comparisons, because the best is chosen after the scores were seen: of twelve equal
    methods it is the luckiest, and Holm claims differences far more often than `alpha`.

    With twelve methods, three seeds and test parts like HIV's, a gap of 3 standard deviations of
    one score is found in 97 % of comparisons, whether one method is above eleven equals, one below,
    or six above six; all eleven below one are found together in 94 % of tables.

    The claim holds for new seeds, new splits and new samples of this data set with these settings;
    it says nothing about other data sets. It takes training noise to be as large for all methods
    and independent between seeds, which few seeds cannot check: where V is unknown and one of
    twelve equal methods is three times as noisy as the others, a false claim is made in 14 % of
    tables instead of 4 %.

    Parameters
    ----------
    scores : ndarray, shape (S, k)
        A row a seed, higher is better.
    sampling : ndarray, shape (S, k, k), optional
        From :func:`bench.statistics.sampling.sampling_covariance`.
    test_to_train : float
        r.

    Returns
    -------
    Group or None
        None below two seeds or two methods, as nothing can be tested then.

    Raises
    ------
    ValueError
        Shapes do not fit or a score is not finite.
    """
    seeds, methods = _check(scores, sampling)
    if seeds < 2 or methods < 2:
        return None
    covariance, degrees = _covariance_of_means(scores, sampling, test_to_train)
    means = scores.mean(axis=0)
    best = int(means.argmax())
    gaps = means[best] - means
    own = np.diag(covariance)
    # Rounding may leave two methods with equal predictions a hair below 0.
    errors = np.sqrt(np.maximum(own + own[best] - 2 * covariance[best], 0.0))
    p_values = _closed(gaps, errors, degrees, alpha)
    return Group(
        best,
        tuple(np.flatnonzero(p_values > alpha).tolist()),
        tuple(gaps.tolist()),
        tuple(errors.tolist()),
        tuple(p_values.tolist()),
        degrees,
    )


def _covariance_of_means(
    scores: np.ndarray, sampling: np.ndarray | None, ratio: float
) -> tuple[np.ndarray, int]:
    """Covariance (k, k) of the methods' means over seeds, and its degrees of freedom."""
    seeds, methods = scores.shape
    residuals = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    degrees = (methods - 1) * (seeds - 1)
    square = float((residuals**2).sum()) / degrees
    if sampling is None:
        return (1 / seeds + ratio) * square * np.eye(methods), degrees
    chance = sampling.mean(axis=0)
    rho = ratio / (1 + ratio)
    noise = max(0.0, square - (1 - rho) * _mean_square(chance))
    covariance = (1 + (seeds - 1) * rho) / seeds * chance + noise / seeds * np.eye(methods)
    if square > 0:
        # Only `square` is uncertain, and it comes into the variance divided by the seeds.
        certain = max(1.0, seeds * _mean_square(covariance) / square) ** 2
        degrees = int(min(degrees * certain, _MANY_DEGREES))
    return covariance, degrees


def _mean_square(covariance: np.ndarray) -> float:
    """Expected mean square between k values of this covariance, k - 1 below."""
    k = len(covariance)
    return float(np.trace(covariance) - covariance.sum() / k) / (k - 1)


def _closed(gaps: np.ndarray, errors: np.ndarray, degrees: int, alpha: float) -> np.ndarray:
    """Adjusted p of each method's gap to the best, whose own gap is 0.

    Of all sets of p methods with the best and a certain other one, that with the smallest gaps in
    standard errors is the hardest to reject, whatever the errors: only these sets are tested.
    """
    k = len(gaps)
    in_errors = np.divide(gaps, errors, out=np.where(gaps > 0, np.inf, 0.0), where=errors > 0)
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
    # Gaps of equally exact means correlate by 1/2, as all are to the same one.
    lead = float(in_errors.mean()) * (2 * (methods - 1) / methods) ** 0.5
    largest = max(widest, lead)
    p = float(range_tail(np.array(2**0.5 * largest), methods, degrees))
    # Of two methods, both statistics are the same; of more, each may be the one that leads.
    return min(p + (methods * float(stdtr(degrees, -largest)) if methods > 2 else 0.0), 1.0)


def _check(scores: np.ndarray, sampling: np.ndarray | None) -> tuple[int, int]:
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise ValueError(
            f"Expected finite scores (S, k), but got {scores.shape} with "
            f"{np.count_nonzero(~np.isfinite(scores))} that are not finite."
        )
    seeds, methods = scores.shape
    if sampling is not None and sampling.shape != (seeds, methods, methods):
        raise ValueError(
            f"Expected covariances of shape {(seeds, methods, methods)}, but got {sampling.shape}."
        )
    return seeds, methods
