"""Early recognition: whether the few samples of one class are found at the top of a ranking.

Samples are ranked by score, the highest first. Samples with equal scores count as in the mean over
all orders of them, so that no figure depends on the order of samples.
"""

from __future__ import annotations

import numpy as np


def enrichment_factor(member: np.ndarray, scores: np.ndarray, percent: int = 1) -> float:
    """Members in the first percent of the ranking over those in as many samples by chance.

    (a / n) / (A / N) with A members among N samples, a of them in the first n = ceil(N percent /
    100). Of samples that are tied across that border, each counts as the share of them that is
    inside: of 2 members among 10 ties, 5 of which are inside, 1.

    Parameters
    ----------
    member : ndarray of bool, shape (M,)
        Whether a sample is of the class that is looked for.
    scores : ndarray of float, shape (M,)
    percent : int
        How much of the ranking is looked at.

    Returns
    -------
    float
        From 0 to N / max(n, A); nan without a member or with members alone.

    Examples
    --------
    >>> enrichment_factor(np.array([True, False, True, False]), np.array([4, 3, 2, 1]), 50)
    1.0
    """
    if not 0 < member.sum() < len(member):
        return float("nan")
    chosen = -(-len(member) * percent // 100)
    inside = (np.arange(len(member)) < chosen).astype(np.float64)
    found = float(_mean_over_ties(scores, inside)[member].sum())
    return found * len(member) / (chosen * int(member.sum()))


def bedroc(member: np.ndarray, scores: np.ndarray, alpha: float = 20.0) -> float:
    """Boltzmann-enhanced discrimination of the receiver operating characteristic, from 0 to 1.

    (S - S_min) / (S_max - S_min), where S is the sum of exp(-alpha r / N) over the places r = 1..N
    of the members, S_max and S_min what it is with all of them first and last. With alpha = 20 the
    first 8 % of the ranking make 80 % of S. Truchon and Bayly, J. Chem. Inf. Model. 2007,
    doi:10.1021/ci600426e, eq. 36.

    Parameters
    ----------
    member : ndarray of bool, shape (M,)
        Whether a sample is of the class that is looked for.
    scores : ndarray of float, shape (M,)
    alpha : float
        How early is early.

    Returns
    -------
    float
        Nan without a member or with members alone.

    Examples
    --------
    >>> bedroc(np.array([True, False, False]), np.array([3, 2, 1]))
    1.0
    """
    members = int(member.sum())
    if not 0 < members < len(member):
        return float("nan")
    weights = np.exp(-alpha * np.arange(1, len(member) + 1) / len(member))
    highest, lowest = weights[:members].sum(), weights[len(weights) - members :].sum()
    # In order of places, so that a perfect ranking has the bits of the highest sum.
    of_samples = np.sort(_mean_over_ties(scores, weights)[member])[::-1]
    value = (of_samples.sum() - lowest) / (highest - lowest)
    return float(min(max(value, 0.0), 1.0))


def _mean_over_ties(scores: np.ndarray, of_places: np.ndarray) -> np.ndarray:
    """For each sample the value of its place, the mean over the places of equal scores."""
    _, tied = np.unique(-scores, return_inverse=True)
    sizes = np.bincount(tied)
    starts = np.append(0, np.cumsum(sizes)[:-1])
    means: np.ndarray = (np.add.reduceat(of_places, starts) / sizes)[tied]
    return means
