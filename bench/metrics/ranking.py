"""Metrics of how scores rank the samples."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score


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
    values = np.full(scores.shape[1], np.nan)
    for k in range(scores.shape[1]):
        member = labels == k
        if member.any() and not member.all():
            log_odds = scores[:, k] - logsumexp(np.delete(scores, k, axis=1), axis=1)
            values[k] = roc_auc_score(member, log_odds)
    return values
