"""How exact the means of methods over seeds are: the one model behind every claim of a report."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

# Where Student's distribution is normal to the last digit printed.
_MANY_DEGREES = 100_000
# Of a score: what sums of many may be off by.
_ROUNDING = 1e-9


def covariance_of_means(
    scores: np.ndarray,
    sampling: np.ndarray | None,
    *,
    test_to_train: float,
    clusters: Sequence[int] | None = None,
) -> tuple[np.ndarray, int]:
    """Covariance (k, k) of the means of k methods over S seeds, and its degrees of freedom.

    A score is method + seed + training noise + chance of the test samples, and the seed drops out
    of differences.

    1. V is the covariance of the k scores of a run by its test samples, averaged over seeds.
    2. Test sets of the same data share samples. Nadeau and Bengio (Machine Learning 2003,
       doi:10.1023/A:1024068626366) give them the correlation rho = r / (1 + r) with
       r = n_test / n_train. Over seeds V therefore shows as (1 - rho) V only.
    3. tau^2, the variance by training, is alike for all methods: the mean square of the methods'
       scores around their means beyond (1 - rho) V, at least 0.
    4. The covariance of the means is (1 + (S - 1) rho) / S V + tau^2 / S I. Without V, rho holds
       for the whole mean square, which is multiplied by 1 / S + r.

    Methods of one cluster depend on the same trained network and share its noise, so together they
    say as much about tau^2 as one of them. Step 3 takes the mean over all ways to choose one
    method of each cluster, which leaves (C - 1)(S - 1) degrees of freedom for C clusters. Two
    methods of one cluster keep 2 tau^2 / S as the variance of their difference, which is too much
    rather than too little. Where all methods are one cluster, tau^2 is that of the pair that
    differs most, with S - 1 degrees.

    Degrees grow where V, which is known, makes up much of the variance (Satterthwaite, Biometrics
    1946, 2, 110), with the mean square taken as (1 - rho) V at least: a small one is chance.

    Parameters
    ----------
    scores : ndarray, shape (S, k)
        Two seeds and two methods at least.
    sampling : ndarray or None, shape (S, k, k)
        V of each seed.
    test_to_train : float
        r; infinite where every seed has the same test samples. Then rho is 1, and where V is not
        known, the variances are infinite.
    clusters : sequence of int, length k, optional
        Equal for methods that share a trained network; without it, none do.

    Raises
    ------
    ValueError
        Shapes do not fit or a score is not finite.
    """
    seeds, methods = check_scores(scores, sampling, clusters)
    named = np.arange(methods) if clusters is None else np.asarray(clusters)
    contrasts = _contrasts(named)
    degrees = max(len(np.unique(named)) - 1, 1) * (seeds - 1)
    around = scores - scores.mean(axis=0)
    moments = around.T @ around / (seeds - 1)
    if sampling is None:
        square = max(_mean_square(moments, contrast) for contrast in contrasts)
        variance = np.inf if np.isinf(test_to_train) else (1 / seeds + test_to_train) * square
        return np.diag(np.full(methods, variance)), degrees
    chance = sampling.mean(axis=0)
    rho = 1.0 if np.isinf(test_to_train) else test_to_train / (1 + test_to_train)
    noise, contrast = max(
        (
            (max(0.0, _mean_square(moments - (1 - rho) * chance, contrast)), contrast)
            for contrast in contrasts
        ),
        key=lambda pair: pair[0],
    )
    covariance = (1 + (seeds - 1) * rho) / seeds * chance + noise / seeds * np.eye(methods)
    seen = noise + (1 - rho) * _mean_square(chance, contrast)
    if seen > 0:
        # Only the mean square is uncertain, and it comes into the variance divided by the seeds.
        certain = max(1.0, seeds * _mean_square(covariance, contrast) / seen) ** 2
        degrees = int(min(degrees * certain, _MANY_DEGREES))
    elif rho == 1:  # all of the variance is known
        degrees = _MANY_DEGREES
    return covariance, degrees


def errors_of_gaps(covariance: np.ndarray, place: int, scores: np.ndarray) -> np.ndarray:
    """Standard errors (k,) of the differences of means to the method at `place`.

    One that only rounding of `scores` keeps from 0 is 0.
    """
    own = np.diag(covariance)
    if np.isinf(own).any():
        return np.where(np.arange(len(own)) == place, 0.0, np.inf)
    errors = np.sqrt(np.maximum(own + own[place] - 2 * covariance[place], 0.0))
    return np.where(errors > _ROUNDING * np.abs(scores).max(), errors, 0.0)


def check_scores(
    scores: np.ndarray, sampling: np.ndarray | None, clusters: Sequence[int] | None = None
) -> tuple[int, int]:
    """Seeds and methods of `scores`, where all of them fit; else ValueError."""
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
    if clusters is not None and len(clusters) != methods:
        raise ValueError(f"Expected a cluster for each of {methods} methods, got {len(clusters)}.")
    return seeds, methods


def _contrasts(clusters: np.ndarray) -> list[np.ndarray]:
    """Weights (k, k) under which products of scores make a mean square between methods.

    One, the mean over all choices of a method from each cluster; of a single cluster one a pair.
    """
    names, place, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    if len(names) == 1:
        pairs = combinations(np.eye(len(clusters)), 2)
        return [np.outer(one - other, one - other) / 2 for one, other in pairs]
    share = 1 / sizes[place]
    weights = -np.outer(share, share) / len(names)
    weights[place[:, None] == place] = 0
    weights += np.diag(share * (1 - 1 / len(names)))
    return [weights / (len(names) - 1)]


def _mean_square(covariance: np.ndarray, contrast: np.ndarray) -> float:
    """Expected mean square between values of this covariance."""
    return float((covariance * contrast).sum())
