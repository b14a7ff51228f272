"""Interval of the mean recall of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.metrics.intervals import wilson_interval


def mean_recall_interval(
    right: Sequence[int] | np.ndarray, tested: Sequence[int] | np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean of K recalls by their test samples.

    With Wilson's interval (l_k, u_k) of each recall R_k, the mean R reaches down to

        R - sqrt(sum_k (R_k - l_k)^2) / K

    and as far up with u_k. Of one class it is Wilson's own. Zou and Donner, Statistics in Medicine
    2008, doi:10.1002/sim.3095.

    Parameters
    ----------
    right, tested : sequence of int, length K
        Samples of each class that were classified rightly, and all of them, at least one.

    Examples
    --------
    >>> low, high = mean_recall_interval([12], [23])
    >>> round(low, 3), round(high, 3)
    (0.33, 0.708)
    """
    recall = np.asarray(right) / np.asarray(tested)
    bounds = [
        wilson_interval(int(r), int(n), confidence) for r, n in zip(right, tested, strict=True)
    ]
    low, high = np.array(bounds).T
    below = float(np.sqrt(((recall - low) ** 2).sum())) / len(recall)
    above = float(np.sqrt(((high - recall) ** 2).sum())) / len(recall)
    return float(recall.mean()) - below, float(recall.mean()) + above
