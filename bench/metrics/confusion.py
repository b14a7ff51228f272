"""Metrics that are functions of the confusion matrix.

Rows are true classes, columns predicted ones. Functions of a matrix return one value a class,
shape (K,), and nan for a class without samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# A matrix of more classes is nearly all zeros: 5,000 would make a record of 125 MB.
MOST_CLASSES_IN_FULL = 256

# Floating-point error allowed in a recall that is computed from a feasible pair.
_ROUND_OFF = 1e-9


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts of (true, predicted), shape (K, K), from two int arrays of shape (M,).

    Raises
    ------
    ValueError
        The arrays differ in shape, or a class index is not in 0..K-1.
    """
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ValueError(
            "Expected labels and predictions of one shape (M,), but got "
            f"{labels.shape} and {predictions.shape}."
        )
    for name, values in (("labels", labels), ("predictions", predictions)):
        if len(values) and not (values.min() >= 0 and values.max() < num_classes):
            raise ValueError(
                f"Expected {name} in 0..{num_classes - 1}, but got values from {values.min()} "
                f"to {values.max()}."
            )
    cells = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def matrix_to_record(matrix: np.ndarray) -> list[list[int]] | dict[str, Any]:
    """A confusion matrix as records hold it: its rows, or of many classes the cells above 0.

    Cells are ``[true class, predicted class, samples]``, in the order of rows.
    """
    if len(matrix) <= MOST_CLASSES_IN_FULL:
        rows: list[list[int]] = matrix.tolist()
        return rows
    true, predicted = np.nonzero(matrix)
    cells = np.stack([true, predicted, matrix[true, predicted]], axis=1)
    return {"classes": len(matrix), "cells": cells.tolist()}


def matrix_of_record(recorded: Any) -> np.ndarray:
    """The matrix (K, K) that :func:`matrix_to_record` made a value of.

    Raises
    ------
    ValueError
        Rows differ in length, or a cell lies outside the matrix.
    """
    if not isinstance(recorded, Mapping):
        return np.asarray(recorded, dtype=np.int64)
    classes = recorded["classes"]
    true, predicted, samples = np.array(recorded["cells"], dtype=np.int64).reshape(-1, 3).T
    if max(true.max(initial=0), predicted.max(initial=0)) >= classes:
        raise ValueError(f"expected cells of {classes} classes, but one lies outside")
    matrix = np.zeros((classes, classes), dtype=np.int64)
    matrix[true, predicted] = samples
    return matrix


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> float:
    """Mean recall over the classes present in `labels`.

    LTDD, 2025, arXiv 2504.04647, eq. 12. Cheap enough for every epoch.

    Examples
    --------
    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)
    0.8333333333333333
    """
    return mean_present(recalls(confusion_matrix(labels, predictions, num_classes)))


def recalls(matrix: np.ndarray) -> np.ndarray:
    """R_kk = M_kk / n_k, with n_k the samples of class k."""
    return _ratio(np.diag(matrix), matrix.sum(axis=1))


def precisions(matrix: np.ndarray) -> np.ndarray:
    """M_kk / sum_j M_jk; nan also for a class never predicted."""
    return _present(matrix, _ratio(np.diag(matrix), matrix.sum(axis=0)))


def f1s(matrix: np.ndarray) -> np.ndarray:
    """2 M_kk / (n_k + sum_j M_jk); 0 for a class present but never predicted."""
    return _present(matrix, _ratio(2 * np.diag(matrix), matrix.sum(axis=1) + matrix.sum(axis=0)))


def balanced_precisions(matrix: np.ndarray) -> np.ndarray:
    """Precision if all classes present had the same number of samples.

    M_kk / sum_j (n_k / n_j) M_jk = R_kk / C_k, where R is the matrix with rows divided by n_j
    and C_k = sum_j R_jk. LTDD, 2025, arXiv 2504.04647, eq. 13, whose pi_jk is printed upside
    down; n_k / n_j is what ImDrug computes. Nan also for a class never predicted.
    """
    rates = _ratio(matrix, matrix.sum(axis=1, keepdims=True))
    return _present(matrix, _ratio(np.diag(rates), np.nansum(rates, axis=0)))


def balanced_f1s(matrix: np.ndarray) -> np.ndarray:
    """F1 if all classes present had the same number of samples: 2 R_kk / (1 + C_k).

    The harmonic mean of recall and :func:`balanced_precisions`; 0 for a class present but never
    predicted. LTDD, 2025, arXiv 2504.04647, eq. 14.
    """
    rates = _ratio(matrix, matrix.sum(axis=1, keepdims=True))
    return 2 * np.diag(rates) / (1 + np.nansum(rates, axis=0))


def mean_present(values: np.ndarray) -> float:
    """Mean of the values that are not nan; nan when there are none."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")


def recalls_from_pair(
    balanced_accuracy: float, balanced_f1: float, *, rounding: float = 0.0
) -> tuple[float, float] | None:
    """The two recalls of a binary task, from its balanced accuracy and balanced F1.

    With a the balanced accuracy and d the difference of the recalls, the balanced F1 of two
    classes is (4 a - d^2) / (4 - d^2), so d = 2 sqrt((a - f) / (1 - f)).

    Parameters
    ----------
    balanced_accuracy, balanced_f1 : float
        Fractions, not percent.
    rounding : float
        Half a unit of the last digit printed, such as 0.00005 for percent with two decimals:
        each value may be off by so much.

    Returns
    -------
    (float, float) or None
        The larger and the smaller recall. None when no confusion matrix has this pair.
    """
    exact = _invert(balanced_accuracy, balanced_f1)
    if exact is not None:
        return exact
    # Recalls lie apart by more the larger the first value and the smaller the second, so of all
    # pairs that print alike the one with the smallest gap is feasible if any is.
    step = np.clip((balanced_accuracy - balanced_f1) / 2, -rounding, rounding)
    return _invert(balanced_accuracy - step, balanced_f1 + step)


def _invert(a: float, f: float) -> tuple[float, float] | None:
    if f > a + _ROUND_OFF or not (0 <= f <= 1 and 0 <= a <= 1):
        return None
    half = np.sqrt(max(a - f, 0.0) / (1 - f)) if f < 1 else 0.0
    larger, smaller = a + half, a - half
    if larger > 1 + _ROUND_OFF or smaller < -_ROUND_OFF:
        return None
    return float(min(larger, 1.0)), float(max(smaller, 0.0))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _present(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(matrix.sum(axis=1) > 0, values, np.nan)
