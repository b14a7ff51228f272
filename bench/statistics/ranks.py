"""Ranks of methods over blocks, such as data sets and splits, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range


@dataclass(frozen=True)
class Ranks:
    """Mean ranks over complete blocks.

    Attributes
    ----------
    methods : tuple of int
        Places of the methods that are ranked: those with a score in every block.
    left_out : tuple of int
        Places of the others.
    mean_ranks : tuple of float
        Of `methods`, 1 for the best.
    blocks : int
        N.
    friedman_p : float or None
        None below three methods or two blocks.
    critical_difference : float or None
        Mean ranks so far apart differ; None where `meaningful` is False for want of blocks or
        methods.
    meaningful : bool
        Whether ranks may be read as differences.
    verdict : str
        Why, in words.
    """

    methods: tuple[int, ...]
    left_out: tuple[int, ...]
    mean_ranks: tuple[float, ...]
    blocks: int
    friedman_p: float | None
    critical_difference: float | None
    meaningful: bool
    verdict: str


def critical_difference(methods: int, blocks: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks, q sqrt(k (k + 1) / (6 N)).

    q is the quantile of the studentised range of k means with infinite degrees of freedom, over
    sqrt(2). Demsar, JMLR 2006, 7, 1-30, section 3.2.2.

    Raises
    ------
    ValueError
        There are fewer than two methods or no block.

    Examples
    --------
    >>> round(critical_difference(12, 6), 2)
    6.8
    """
    if methods < 2 or blocks < 1:
        raise ValueError(
            f"Expected two methods and one block at least, but got {methods} and {blocks}."
        )
    q = float(studentized_range.ppf(1 - alpha, methods, np.inf)) / 2**0.5
    return q * (methods * (methods + 1) / (6 * blocks)) ** 0.5


def rank_methods(
    scores: np.ndarray, *, higher_is_better: bool = True, alpha: float = 0.05
) -> Ranks:
    """Mean ranks with Friedman's test and Nemenyi's critical difference.

    Blocks count as independent, so a block is a data set with a split, its score the mean over
    seeds, never a seed. Two splits of one data set are not quite independent: the verdict is
    rather too bold than too shy with them. Friedman, JASA 1937, doi:10.2307/2279372; Demsar,
    JMLR 2006, 7, 1-30.

    Parameters
    ----------
    scores : ndarray, shape (N, k)
        A row a block, nan for a hole. A block without any score is passed over, then a method
        with a hole is left out.

    Raises
    ------
    ValueError
        `scores` is not (N, k).
    """
    if scores.ndim != 2:
        raise ValueError(f"Expected scores of shape (N, k), but got {scores.shape}.")
    here = ~np.isnan(scores)
    complete = here[here.any(axis=1)].all(axis=0) & here.any()
    methods, left_out = np.flatnonzero(complete), np.flatnonzero(~complete)
    own = scores[here.any(axis=1)][:, complete]
    count, blocks = len(methods), len(own)
    ranks = rankdata(-own if higher_is_better else own, axis=1)
    friedman = _friedman(ranks)
    difference = critical_difference(count, blocks, alpha) if friedman is not None else None
    meaningful, words = _verdict(count, blocks, friedman, difference, alpha)
    return Ranks(
        tuple(methods.tolist()),
        tuple(left_out.tolist()),
        tuple(ranks.mean(axis=0).tolist()) if blocks else (),
        blocks,
        friedman,
        difference,
        meaningful,
        words,
    )


def _friedman(ranks: np.ndarray) -> float | None:
    blocks, methods = ranks.shape
    if methods < 3 or blocks < 2:
        return None
    if (ranks == ranks[:, :1]).all():
        return 1.0  # all tie everywhere, where the statistic is 0 / 0
    return float(friedmanchisquare(*ranks.T).pvalue)


def _verdict(
    methods: int, blocks: int, friedman: float | None, difference: float | None, alpha: float
) -> tuple[bool, str]:
    if friedman is None or difference is None:
        return False, (
            f"no test: {methods} methods on {blocks} complete blocks, and 3 methods on 2 blocks "
            "are the least"
        )
    if difference >= methods - 1:
        return False, (
            f"cannot tell any two methods apart: ranks of {methods} methods are at most "
            f"{methods - 1} apart, the critical difference on {blocks} blocks is {difference:.2f}"
        )
    if friedman > alpha:
        return False, f"no difference shown: Friedman's p is {friedman:.3f} on {blocks} blocks"
    return True, (
        f"ranks differ: Friedman's p is {friedman:.2g} on {blocks} blocks; the critical "
        f"difference is {difference:.2f}"
    )
