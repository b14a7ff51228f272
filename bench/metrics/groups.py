"""Groups of classes by how often they are trained on."""

from __future__ import annotations

import numpy as np

COUNT_BOUNDS = (20, 100)
"""Fewest and most training samples of a class of the group ``medium``, :func:`count_groups`."""


def frequency_groups(train_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Classes by how often they are trained on, in shares of .3, .4 and .3 of the classes.

    Classes are ordered by training count, the largest first, equal counts by class index. Head
    and tail take .3 K classes each, rounded with halves up, and middle the rest: 1 / 0 / 1 for
    K = 2, 3 / 4 / 3 for 10, 9 / 11 / 9 for 29. ImDrug, 2022, arXiv 2209.07921.

    Parameters
    ----------
    train_counts : ndarray of int, shape (K,)
        Training samples of each class.

    Returns
    -------
    dict of str to ndarray of int64
        Class indices of ``head``, ``middle`` and ``tail``, the largest class first.
    """
    num_classes = len(train_counts)
    order = np.argsort(-np.asarray(train_counts), kind="stable")
    outer = (3 * num_classes + 5) // 10  # whole numbers: .3 has no exact float
    return {
        "head": order[:outer],
        "middle": order[outer : num_classes - outer],
        "tail": order[num_classes - outer :],
    }


def count_groups(train_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Classes by the number of their training samples, whatever the number of classes.

    ``many`` are above 100, ``medium`` 20 to 100 and ``few`` below 20. Liu et al., CVPR 2019, arXiv
    1904.05160, section 4.1.

    Parameters
    ----------
    train_counts : ndarray of int, shape (K,)
        Training samples of each class.

    Returns
    -------
    dict of str to ndarray of int64
        Class indices of each group, ascending; a group may be empty.
    """
    counts, (fewest, most) = np.asarray(train_counts), COUNT_BOUNDS
    return {
        "many": np.flatnonzero(counts > most),
        "medium": np.flatnonzero((counts >= fewest) & (counts <= most)),
        "few": np.flatnonzero(counts < fewest),
    }


def rarest_class(train_counts: np.ndarray) -> int:
    """The class with the fewest training samples, of several the last, as the end of the tail."""
    counts = np.asarray(train_counts)
    return len(counts) - 1 - int(np.argmin(counts[::-1]))
