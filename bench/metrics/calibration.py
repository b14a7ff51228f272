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
    member = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(member, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
