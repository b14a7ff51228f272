"""How much the scores of methods on one test set would move with other test samples.

A score is a smooth function of class rates R, where R_kj is the share of class k predicted as j,
so to first order it is a mean over samples: its influence function. The covariance of two
methods' scores is then that of two columns of numbers, in closed form where a bootstrap would
draw thousands of times. Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 21.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def balanced_accuracy_influence(rates: np.ndarray) -> np.ndarray:
    """Derivative of balanced accuracy by the rates.

    Parameters
    ----------
    rates : ndarray, shape (K, K)
        Confusion matrix with each row divided by its sum; the row of an absent class is nan.

    Returns
    -------
    ndarray, shape (K, K)
        Row true, column predicted.
    """
    return recall_influence(rates, np.arange(len(rates)))


def recall_influence(rates: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Derivative of the mean recall of `classes`, those present, as (K, K)."""
    present = classes[~np.isnan(rates[classes, classes])]
    gradient = np.zeros_like(rates)
    gradient[present, present] = 1 / max(len(present), 1)
    return gradient


def balanced_f1_influence(rates: np.ndarray) -> np.ndarray:
    """Derivative of balanced F1, the mean over k of 2 R_kk / (1 + C_k) with C_k = sum_j R_jk.

    -2 R_kk / (1 + C_k)^2 by each R_jk, and 2 / (1 + C_k) more by R_kk; divided by the number of
    classes present. As (K, K).
    """
    present = ~np.isnan(np.diag(rates))
    whole = 1 + np.nansum(rates, axis=0)
    gradient = np.diag(2 / whole) - 2 * np.nan_to_num(np.diag(rates)) / whole**2
    return gradient / present.sum()


def sampling_covariance(
    labels: np.ndarray, predictions: np.ndarray, gradients: Iterable[np.ndarray]
) -> np.ndarray:
    """Covariance of k methods' scores over test sets with as many samples of each class.

    With u the influence of a sample, gradients[a, label, prediction]: the sum over classes of
    cov_k(u) / n_k, n_k - 1 below the covariance. A class of one sample adds nothing, as nothing
    is known of its spread.

    Parameters
    ----------
    labels : ndarray of int64, shape (M,)
    predictions : ndarray of int64, shape (k, M)
        Of each method on the same samples.
    gradients : iterable of k ndarrays, shape (K, K)
        Of each method, from the functions above; looked at in turn, as many classes make them
        large.

    Returns
    -------
    ndarray, shape (k, k)
    """
    influence = np.stack(
        [gradient[labels, own] for gradient, own in zip(gradients, predictions, strict=True)]
    )
    covariance = np.zeros((len(predictions), len(predictions)))
    for k in np.unique(labels):
        own = influence[:, labels == k]
        if own.shape[1] > 1:
            covariance += np.cov(own).reshape(covariance.shape) / own.shape[1]
    return covariance
