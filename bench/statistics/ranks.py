"""Ranks of methods over data sets, and what they mean."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy  # its `stats`, which takes long to import, is imported when it is used

# With fewer data sets, Friedman's test has next to no power and its p is far from exact.
LEAST_DATASETS = 5


@dataclass(frozen=True)
class Ranks:
    """Mean ranks over data sets that have all methods.

    Attributes
    ----------
    methods : tuple of int
        Places of the methods that are ranked: those with a score wherever any method has one.
    left_out : tuple of int
        Places of the others.
    mean_ranks : tuple of float
        Of `methods`, 1 for the best.
    datasets : int
        N.
    p : float or None
        Of the test by Iman and Davenport; None below three methods or five data sets.
    critical_difference : float or None
        Mean ranks so far apart differ; None where `p` is.
    meaningful : bool
        Whether ranks may be read as differences.
    verdict : str
        Why, in words.
    """

    methods: tuple[int, ...]
    left_out: tuple[int, ...]
    mean_ranks: tuple[float, ...]
    datasets: int
    p: float | None
    critical_difference: float | None
    meaningful: bool
    verdict: str


@cache
def critical_difference(methods: int, datasets: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks, q sqrt(k (k + 1) / (6 N)).

    q is the quantile of the studentised range of k means with infinite degrees of freedom, over
    sqrt(2). Demsar, JMLR 2006, 7, 1-30, section 3.2.2.

    Raises
    ------
    ValueError
        There are fewer than two methods or no data set.

    Examples
    --------
    >>> round(critical_difference(12, 6), 2)
    6.8
    """
    if methods < 2 or datasets < 1:
        raise ValueError(
            f"Expected two methods and one data set at least, but got {methods} and {datasets}."
        )
    q = float(scipy.stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / 2**0.5
    return q * (methods * (methods + 1) / (6 * datasets)) ** 0.5


def rank_methods(
    scores: np.ndarray,
    datasets: Sequence[Hashable],
    *,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> Ranks:
    """Mean ranks with the test by Iman and Davenport and Nemenyi's critical difference.

    The test counts blocks as independent. Two splits of one data set are not: as two blocks, they
    would reject equal methods in half of all tables. A block is therefore a data set, its score
    the mean over its splits, which uses all runs for one ranking. Friedman, JASA 1937,
    doi:10.2307/2279372; Iman and Davenport, Communications in Statistics 1980, 9, 571; Demsar,
    JMLR 2006, 7, 1-30.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        A row a split of a data set, the means over seeds; nan for a missing run. A row without any
        score is passed over, then a method with a missing run is left out.
    datasets : sequence, length n
        Which data set each row is of.

    Raises
    ------
    ValueError
        `scores` is not (n, k).
    """
    if scores.ndim != 2 or len(scores) != len(datasets):
        raise ValueError(
            f"Expected scores of shape (n, k) and n data sets, but got {scores.shape} and "
            f"{len(datasets)}."
        )
    here = ~np.isnan(scores)
    used = here.any(axis=1)
    complete = here[used].all(axis=0) & here.any()
    methods, left_out = np.flatnonzero(complete), np.flatnonzero(~complete)
    rows: dict[Hashable, list[np.ndarray]] = {}
    for row, dataset, any_score in zip(scores[:, complete], datasets, used, strict=True):
        if any_score:
            rows.setdefault(dataset, []).append(row)
    blocks = np.array([np.mean(of_dataset, axis=0) for of_dataset in rows.values()])
    blocks = blocks.reshape(len(rows), len(methods))
    ranks = scipy.stats.rankdata(-blocks if higher_is_better else blocks, axis=1)
    p = _iman_davenport(ranks)
    difference = None if p is None else critical_difference(len(methods), len(rows), alpha)
    meaningful, words = _verdict(len(methods), len(rows), p, difference, alpha)
    return Ranks(
        tuple(methods.tolist()),
        tuple(left_out.tolist()),
        tuple(ranks.mean(axis=0).tolist()) if rows else (),
        len(rows),
        p,
        difference,
        meaningful,
        words,
    )


def _iman_davenport(ranks: np.ndarray) -> float | None:
    """P of F = (N - 1) chi2 / (N (k - 1) - chi2), chi2 being Friedman's.

    Friedman's own p is too large for few data sets.
    """
    datasets, methods = ranks.shape
    if methods < 3 or datasets < LEAST_DATASETS:
        return None
    if (ranks == ranks[:, :1]).all():
        return 1.0  # all tie everywhere, where the statistic is 0 / 0
    chi2 = float(scipy.stats.friedmanchisquare(*ranks.T).statistic)
    rest = datasets * (methods - 1) - chi2
    if rest <= 0:
        return 0.0  # the same order everywhere
    statistic = (datasets - 1) * chi2 / rest
    return float(scipy.stats.f.sf(statistic, methods - 1, (methods - 1) * (datasets - 1)))


def _verdict(
    methods: int, datasets: int, p: float | None, difference: float | None, alpha: float
) -> tuple[bool, str]:
    if datasets < LEAST_DATASETS:
        return False, (
            f"too few data sets for a test: {datasets}, and {LEAST_DATASETS} are the least"
        )
    if p is None or difference is None:
        return False, f"too few methods for a test: {methods}, and 3 are the least"
    if p > alpha:
        return False, (
            f"no difference shown: p is {p:.3f} (Iman and Davenport) on {datasets} data sets"
        )
    return True, (
        f"ranks differ: p is {p:.2g} (Iman and Davenport) on {datasets} data sets; the critical "
        f"difference is {difference:.2f}"
    )
