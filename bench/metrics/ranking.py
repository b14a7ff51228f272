"""Metrics of how scores rank the samples."""

from __future__ import annotations

from functools import cached_property

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
    return one_vs_rest(labels, scores)[0]


def average_precisions(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Average precision of each class against the rest, samples ranked as by :func:`aurocs`.

    sum_n (R_n - R_{n-1}) P_n over the distinct scores, the highest first, with P_n and R_n the
    precision and recall of all samples down to the n-th. This is the area below the
    precision-recall curve as steps, without interpolation. scikit-learn's
    ``average_precision_score``; Davis and Goadrich, ICML 2006, doi:10.1145/1143844.1143874, on why
    lines between its points would be too good.

    Returns
    -------
    ndarray of float64, shape (K,)
        Nan for a class that no sample has, 1 for one that every sample has.
    """
    return one_vs_rest(labels, scores)[1]


def one_vs_rest(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """:func:`aurocs` and :func:`average_precisions` of one ranking a class."""
    classes = scores.shape[1]
    areas, precisions = np.full(classes, np.nan), np.full(classes, np.nan)
    supports = np.bincount(labels, minlength=classes)
    precisions[supports == len(labels)] = 1.0
    ranked = np.flatnonzero((supports > 0) & (supports < len(labels)))
    if len(ranked):
        scores = np.asarray(scores, dtype=np.float64)
        odds, others = _log_odds(scores), _Others(scores)
        # Above what rounding does to sums of K terms.
        close = 16 * np.finfo(np.float64).eps * (classes + np.abs(scores).max())
        for k in ranked.tolist():
            order = _settle(odds[k], others, k, close)[::-1]
            ends = np.append(np.flatnonzero(np.diff(odds[k][order])), len(order) - 1)  # of ties
            hits = (labels == k)[order].cumsum()[ends]
            areas[k] = _area(hits, 1 + ends - hits)
            precisions[k] = np.diff(hits, prepend=0) @ (hits / (1 + ends)) / hits[-1]
    return areas, precisions


def _settle(odds: np.ndarray, others: _Others, k: int, close: float) -> np.ndarray:
    """Sum again, in the order of classes, where rounding would decide how samples are ranked.

    Such samples are many where scores repeat, as those of a forest do. So a tie of two rows is one
    and recorded values repeat to the bit. Returned is the order of samples, the lowest first.
    """
    order = odds.argsort()
    near = np.flatnonzero(np.diff(odds[order]) <= close)
    if len(near):
        doubtful = np.unique(order[np.concatenate([near, near + 1])])
        odds[doubtful] = others.scores[doubtful, k] - others.logsumexp(doubtful, k)
        order = odds.argsort()
    return order


class _Others:
    """Sums over all classes but one, with the bits of ``logsumexp`` over their columns.

    NumPy adds a row up by halves, which do not depend on each other: but for the half with the
    class that is left out, each is added up once and not again for every class.
    """

    # Numbers that NumPy adds up without halving them.
    _TOGETHER = 128

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores
        self._sums: dict[tuple[int, int], np.ndarray] = {}

    def logsumexp(self, rows: np.ndarray, k: int) -> np.ndarray:
        """Of some rows log sum_{j != k} exp(z_j), shape (len(rows),)."""
        times = self._top[1][rows] - (self.scores[rows, k] == self._top[0][rows])
        alone = times == 0
        times[alone] = 1
        values = np.log1p(self._sum(rows, k, 0, self.scores.shape[1] - 1) / times)
        values += np.log(times)
        values += self._top[0][rows]
        if alone.any():
            values[alone] = logsumexp(np.delete(self.scores[rows[alone]], k, axis=1), axis=1)
        return values

    @cached_property
    def _top(self) -> tuple[np.ndarray, np.ndarray]:
        """The highest score of each row, and how often it stands there."""
        highest = self.scores.max(axis=1)
        return highest, (self.scores == highest[:, None]).sum(axis=1, dtype=np.float64)

    @cached_property
    def _powers(self) -> np.ndarray:
        """exp(z - highest), and 0 for the highest, which are counted."""
        highest = self._top[0][:, None]
        powers = np.exp(self.scores - highest)
        powers[self.scores == highest] = 0
        return powers

    def _sum(self, rows: np.ndarray, k: int, low: int, high: int) -> np.ndarray:
        """The powers at places `low` to `high` of those without class k, added up."""
        if k >= high:
            return self._sum_of_all(low, high)[rows]
        if k <= low:
            return self._sum_of_all(low + 1, high + 1)[rows]
        if high - low <= self._TOGETHER:
            left, right = self._powers[rows, low:k], self._powers[rows, k + 1 : high + 1]
            total: np.ndarray = np.concatenate([left, right], axis=1).sum(axis=1)
            return total
        half = (high - low) // 2
        middle = low + half - half % 8
        return self._sum(rows, k, low, middle) + self._sum(rows, k, middle, high)

    def _sum_of_all(self, low: int, high: int) -> np.ndarray:
        if (low, high) not in self._sums:
            self._sums[low, high] = self._powers[:, low:high].sum(axis=1)
        return self._sums[low, high]


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


def _area(hits: np.ndarray, misses: np.ndarray) -> float:
    """Area below the curve through its corners, in the order of sums of ``roc_auc_score``.

    `hits` and `misses` are those down to each distinct score. scikit-learn checks its input for
    longer than it ranks, once for each class.
    """
    corner = np.ones(len(hits), dtype=bool)
    corner[1:-1] = (np.diff(hits, 2) != 0) | (np.diff(misses, 2) != 0)
    hit_rate = np.append(0, hits[corner]) / hits[-1]
    miss_rate = np.append(0, misses[corner]) / misses[-1]
    return float(np.trapezoid(hit_rate, miss_rate))
