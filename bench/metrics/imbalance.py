"""Single figures of a confusion matrix that a frequent class cannot carry alone."""

from __future__ import annotations

import math

import numpy as np


def matthews_correlation(matrix: np.ndarray) -> float:
    """Matthews correlation coefficient of K classes, from -1 to 1.

    (c s - sum_k p_k t_k) / sqrt((s^2 - sum_k p_k^2) (s^2 - sum_k t_k^2)) with s samples, c of them
    right, t_k of class k and p_k predicted as k. Gorodkin, Comput. Biol. Chem. 2004,
    doi:10.1016/j.compbiolchem.2004.09.006; for two classes that of Matthews, 1975.

    0 where one class alone is predicted, which is no better than chance (Chicco and Jurman, BMC
    Genomics 2020, doi:10.1186/s12864-019-6413-7); nan where the samples are of one class.

    Parameters
    ----------
    matrix : ndarray of int, shape (K, K)
        Row true, column predicted.

    Examples
    --------
    >>> matthews_correlation(np.array([[3, 1], [0, 2]]))
    0.7071067811865476
    """
    # Whole numbers of Python: squares of large counts are exact.
    true, predicted = matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist()
    samples, right = sum(true), int(np.trace(matrix))
    spread_of_true = samples**2 - sum(count**2 for count in true)
    spread_of_predicted = samples**2 - sum(count**2 for count in predicted)
    if spread_of_true == 0:
        return float("nan")
    if spread_of_predicted == 0:
        return 0.0
    shared = right * samples - sum(p * t for p, t in zip(predicted, true, strict=True))
    value = shared / math.sqrt(spread_of_true * spread_of_predicted)
    return min(max(value, -1.0), 1.0)


def geometric_mean(recalls: np.ndarray) -> float:
    """G-mean: the geometric mean of the recalls of the classes present; 0 where one of them is 0.

    (prod_k R_k)^(1/K). Kubat and Matwin, ICML 1997; of more than two classes Sun, Kamel and Wang,
    ICDM 2006, doi:10.1109/ICDM.2006.29.

    Parameters
    ----------
    recalls : ndarray of float, shape (K,)
        Nan for a class without samples; nan is returned where all are.

    Examples
    --------
    >>> round(geometric_mean(np.array([0.9, 0.4, np.nan])), 12)
    0.6
    """
    present = recalls[~np.isnan(recalls)]
    if not len(present):
        return float("nan")
    if not present.all():
        return 0.0
    return float(np.exp(np.log(present).mean()))  # a product of a thousand would be 0
