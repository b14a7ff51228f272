"""Equal samples under different labels: which of them are left out."""

from __future__ import annotations

from typing import Literal

import numpy as np

ConflictPolicy = Literal["keep", "drop", "majority"]


def conflict_groups(identity: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Positions of the samples of each identity that has more than one label.

    Parameters
    ----------
    identity : ndarray of int64, shape (M,)
        Equal numbers are equal samples.
    labels : ndarray of int64, shape (M,)

    Returns
    -------
    list of ndarray of int64
        Sorted positions, the groups in order of their identity.
    """
    if not len(identity):
        return []
    order = np.argsort(identity, kind="stable")
    starts = np.flatnonzero(np.diff(identity[order], prepend=identity[order[0]] - 1))
    largest = np.maximum.reduceat(labels[order], starts)
    mixed = largest != np.minimum.reduceat(labels[order], starts)
    groups = np.split(order, starts[1:])
    return [group for group, differ in zip(groups, mixed, strict=True) if differ]


def left_out(identity: np.ndarray, labels: np.ndarray, policy: ConflictPolicy) -> np.ndarray:
    """Sorted positions of the samples that `policy` leaves out; int64.

    ``keep`` leaves out none. ``drop`` leaves out every sample whose equal has another label.
    ``majority`` keeps of each identity the samples with its most frequent label; where two labels
    are equally frequent, none of them.

    Parameters are those of :func:`conflict_groups`.

    Examples
    --------
    >>> identity, labels = np.array([5, 5, 5, 6, 6, 7]), np.array([0, 1, 1, 0, 1, 0])
    >>> left_out(identity, labels, "drop").tolist()
    [0, 1, 2, 3, 4]
    >>> left_out(identity, labels, "majority").tolist()
    [0, 3, 4]
    """
    if policy == "keep":
        return np.empty(0, np.int64)
    found = [np.empty(0, np.int64)]
    for group in conflict_groups(identity, labels):
        counts = np.bincount(labels[group])
        clear = np.count_nonzero(counts == counts.max()) == 1
        kept = labels[group] == counts.argmax() if policy == "majority" and clear else False
        found.append(group[~np.broadcast_to(kept, len(group))])
    return np.sort(np.concatenate(found))
