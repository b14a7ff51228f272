"""What is shown of so many classes that none can have a bar, a cell or a row of its own.

Then the classes are shown by their training samples: as dots, as the running mean of these, and as
the means of the groups of :func:`bench.metrics.groups.count_groups`.
"""

from __future__ import annotations

import numpy as np

from bench.metrics.groups import count_groups

# Of more, bars of a panel are a carpet, and a confusion matrix is a megabyte of the page.
MOST_CLASSES_SHOWN = 50

# A running mean at n samples takes the classes of n / 1.5 to 1.5 n samples.
_REACH = 1.5

GROUPS = ("many", "medium", "few")
# How the groups are called, with the bounds of their training samples.
GROUPS_IN_WORDS = {"many": "more than 100", "medium": "20 to 100", "few": "fewer than 20"}


def ends_by_size(counts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The `most` largest classes and the `most` smallest others, both with the largest first.

    Parameters
    ----------
    counts : ndarray of int, shape (K,)
        Samples of each class; of equal ones the lower index is first.
    most : int
        Of each end; all classes are among the largest where there are no more.

    Examples
    --------
    >>> largest, smallest = ends_by_size(np.array([5, 9, 7, 1, 5]), 2)
    >>> largest.tolist(), smallest.tolist()
    ([1, 2], [4, 3])
    """
    order = np.argsort(-np.asarray(counts), kind="stable")
    return order[:most], order[most:][-most:]


def running_mean(counts: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean value of the classes of about as many training samples, at each number there is.

    At n samples it is the mean over the classes of n / 1.5 to 1.5 n samples. It depends on no
    order of the classes.

    Parameters
    ----------
    counts : ndarray of float, shape (K,)
        Training samples of each class; those without any are left out, as they have no logarithm.
    values : ndarray of float, shape (K,)
        nan for a class without a value, which is left out.

    Returns
    -------
    ndarray, ndarray
        The numbers of samples, rising, and the means there.

    Examples
    --------
    >>> running_mean(np.array([10, 12, 40]), np.array([1.0, 0.0, 0.5]))[1].tolist()
    [0.5, 0.5, 0.5]
    """
    known = ~np.isnan(values) & (np.asarray(counts) > 0)
    order = np.argsort(counts[known], kind="stable")
    sizes, ordered = counts[known][order], values[known][order]
    places = np.unique(sizes)
    first = np.searchsorted(sizes, places / _REACH, side="left")
    last = np.searchsorted(sizes, places * _REACH, side="right")
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    return places, (sums[last] - sums[first]) / (last - first)


def largest_confusions(matrix: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """The `most` largest entries off the diagonal: true class, predicted class, samples.

    Equal ones stand in the order of the true, then of the predicted class; zeros are left out.

    Examples
    --------
    >>> largest_confusions(np.array([[9, 1, 0], [2, 5, 0], [0, 2, 4]]), 2)
    [(1, 0, 2), (2, 1, 2)]
    """
    true, predicted = np.nonzero(matrix)
    wrong = true != predicted
    true, predicted = true[wrong], predicted[wrong]
    samples = matrix[true, predicted]
    chosen = np.argsort(-samples, kind="stable")[:most]
    return [(int(true[i]), int(predicted[i]), int(samples[i])) for i in chosen]


def confusion_by_group(matrix: np.ndarray, train_counts: np.ndarray) -> np.ndarray:
    """Where the samples of a class go, mean over the classes of a group, as shares.

    Column 0 is the recall; columns 1 to 3 are the shares that are taken for another class with
    many, medium and few training samples. A row adds up to 1.

    Parameters
    ----------
    matrix : ndarray of int, shape (K, K)
        Row true, column predicted.
    train_counts : ndarray of int, shape (K,)

    Returns
    -------
    ndarray of float, shape (3, 4)
        Rows are classes with many, medium and few training samples; nan where none is tested.

    Examples
    --------
    >>> matrix = np.array([[8, 2], [3, 1]])
    >>> confusion_by_group(matrix, np.array([200, 5])).tolist()
    [[0.8, 0.0, 0.0, 0.2], [nan, nan, nan, nan], [0.25, 0.75, 0.0, 0.0]]
    """
    groups = count_groups(np.asarray(train_counts))
    right = np.diag(matrix)
    wrong = matrix - np.diag(right)
    parts = [right, *(wrong[:, groups[name]].sum(axis=1) for name in GROUPS)]
    tested = matrix.sum(axis=1)
    found = np.full((len(GROUPS), len(parts)), np.nan)
    for row, name in enumerate(GROUPS):
        classes = groups[name][tested[groups[name]] > 0]
        if len(classes):
            found[row] = [(part[classes] / tested[classes]).mean() for part in parts]
    return found
