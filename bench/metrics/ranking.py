"""Metrics of how scores rank the samples."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp


def aurocs(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Area under the one-vs-rest ROC curve of each class.

    Samples are ranked by the log odds of the class, z_k - log sum_{j != k} exp(z_j). This is the
    order of its softmax probability, without the ties that rounding to 1 would make.

    Parameters
    ----------
    labels : ndarray of int64, shape (M,)
    scores : ndarray of float, shape (M, K)
        Logits or log probabilities.

    Returns
    -------
    ndarray of float64, shape (K,)
        Nan for a class that no sample or every sample has.
    """
    classes = scores.shape[1]
    values = np.full(classes, np.nan)
    supports = np.bincount(labels, minlength=classes)
    ranked = np.flatnonzero((supports > 0) & (supports < len(labels)))
    if len(ranked):
        scores = np.asarray(scores, dtype=np.float64)
        odds = _log_odds(scores)
        # Above what rounding does to sums of K terms.
        close = 16 * np.finfo(np.float64).eps * (classes + np.abs(scores).max())
        for k in ranked.tolist():
            _settle(odds[k], scores, k, close)
            values[k] = _area(labels == k, odds[k])
    return values


def _settle(odds: np.ndarray, scores: np.ndarray, k: int, close: float) -> None:
    """Sum anew, in the order of classes, where rounding would decide how samples are ranked.

    Such samples are many where scores repeat, as those of a forest do. So a tie of two rows is one
    and recorded values repeat to the bit, which summing for every class alone would cost K^2.
    """
    order = odds.argsort()
    near = np.flatnonzero(np.diff(odds[order]) <= close)
    if len(near):
        doubtful = np.unique(order[np.concatenate([near, near + 1])])
        others = np.delete(scores[doubtful], k, axis=1)
        odds[doubtful] = scores[doubtful, k] - logsumexp(others, axis=1)


def _log_odds(scores: np.ndarray) -> np.ndarray:
    """z_k - log sum_{j != k} exp(z_j), shape (K, M), at a cost that is linear in K."""
    z = np.array(scores.T, order="C")
    samples = np.arange(z.shape[1])
    top = z.argmax(axis=0)
    highest = z[top, samples]
    others = z.copy()
    others[top, samples] = -np.inf
    of_top = highest - logsumexp(others, axis=0)
    # Sums without k as what stands before and after it: to take k from the sum of all would cancel.
    np.exp(others - highest, out=others)
    rest = np.zeros_like(z)
    np.cumsum(others[:-1], axis=0, out=rest[1:])
    after = np.cumsum(others[:0:-1], axis=0)[::-1]
    rest[:-1] += after
    z -= np.log1p(rest) + highest
    z[top, samples] = of_top
    return z


def _area(member: np.ndarray, scores: np.ndarray) -> float:
    """Area below the curve through its corners, in the order of sums of ``roc_auc_score``.

    scikit-learn checks its input for longer than it ranks, once for each class.
    """
    order = scores.argsort()[::-1]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
    hits = member[order].cumsum()[ends]
    misses = 1 + ends - hits
    corner = np.ones(len(ends), dtype=bool)
    corner[1:-1] = (np.diff(hits, 2) != 0) | (np.diff(misses, 2) != 0)
    hit_rate = np.append(0, hits[corner]) / hits[-1]
    miss_rate = np.append(0, misses[corner]) / misses[-1]
    return float(np.trapezoid(hit_rate, miss_rate))
