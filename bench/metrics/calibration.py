"""Metrics of predicted probabilities, each a mean over all samples.

Labels have shape (M,), probabilities shape (M, K) with rows that sum to 1.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities of logits or log probabilities, shape (M, K)."""
    return np.exp(log_softmax(scores, axis=1))


def log_loss(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean of -log softmax(scores)_y, in nats; from scores, so that it never overflows."""
    return float(-log_softmax(scores, axis=1)[np.arange(len(labels)), labels].mean())


def brier_score(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of sum_k (p_k - [y = k])^2, from 0 to 2.

    Brier, Mon. Weather Rev. 1950; for two classes twice the one-sided form.
    """
    errors = probabilities.astype(np.float64)
    errors[np.arange(len(labels)), labels] -= 1
    return float(np.square(errors).sum(axis=1).mean())


def expected_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy, over bins of the largest probability.

    sum_b |b|/M |accuracy(b) - confidence(b)| with bins of equal width, open below and closed
    above. Guo et al., 2017, arXiv 1706.04599, eq. 3.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    gaps = np.bincount(_bin_of(confidence, bins), weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def classwise_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = 15
) -> float:
    """Mean gap between the probability of a class and how often it is there, mean over classes.

    1/K sum_k sum_b |b|/M |share of class k in b - mean p_k in b| with bins of p_k as in
    :func:`expected_calibration_error`. A class without samples counts as one that should have
    probability 0. Kull et al., NeurIPS 2019, arXiv 1910.12656, section 2, as classwise-ECE;
    the static calibration error of Nixon et al., 2019, arXiv 1904.01685.
    """
    classes = probabilities.shape[1]
    total = 0.0
    for k in range(classes):
        shares = np.ascontiguousarray(probabilities[:, k])
        gaps = np.bincount(_bin_of(shares, bins), weights=(labels == k) - shares, minlength=bins)
        total += float(np.abs(gaps).sum())
    return total / (classes * len(labels))


def _bin_of(shares: np.ndarray, bins: int) -> np.ndarray:
    """Of bins of equal width from 0 to 1, open below and closed above, the place of the own one."""
    return np.clip(np.ceil(shares * bins).astype(np.int64) - 1, 0, bins - 1)
