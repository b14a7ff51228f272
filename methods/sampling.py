"""Which training samples an epoch visits: shares of classes, and draws by them."""

from __future__ import annotations

import numpy as np

from bench.method import Context


def power_shares(class_counts: np.ndarray, *, power: float) -> np.ndarray:
    """``p_k ~ n_k^q``, adding up to 1; a class without training samples has no share.

    Parameters
    ----------
    class_counts : ndarray of int, shape (K,)
        At least one is positive.
    power : float
        q. 1: as in the data; 1/2: square root; 0: class-balanced; -1: the reverse of the data.

    Returns
    -------
    ndarray of float64, shape (K,)

    References
    ----------
    Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020,
    arXiv 1910.09217, eq. 1. Zhou et al., "BBN", CVPR 2020, arXiv 1912.02413, section 4.2 (q = -1).

    Examples
    --------
    100 : 4 become 10 : 2.

    >>> power_shares(np.array([100, 4]), power=0.5).round(6)
    array([0.833333, 0.166667])
    """
    present = class_counts > 0
    # Relative to the largest class, so that no power overflows.
    relative = np.where(present, class_counts, 1) / class_counts.max()
    weights = np.where(present, relative**power, 0.0)
    return weights / weights.sum()


def progressive_shares(class_counts: np.ndarray, *, progress: float) -> np.ndarray:
    """``p_k = (1 - t) n_k / N + t / K``: from the shares of the data to equal ones.

    Parameters
    ----------
    class_counts : ndarray of int, shape (K,)
        A class without samples has no share and does not count in K.
    progress : float
        t, from 0 at the start of training to 1 at its end.

    Returns
    -------
    ndarray of float64, shape (K,)

    References
    ----------
    Kang et al., ICLR 2020, arXiv 1910.09217, eq. 2.

    Examples
    --------
    >>> progressive_shares(np.array([8, 2]), progress=0.5).round(6)
    array([0.65, 0.35])
    """
    instance = power_shares(class_counts, power=1)
    return (1 - progress) * instance + progress * power_shares(class_counts, power=0)


def draw_by_shares(
    labels: np.ndarray, shares: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Positions of `size` draws with replacement: a class by its share, then any sample of it.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    shares : ndarray, shape (K,)
        Add up to 1; zero for every class that is not in `labels`.
    size : int
    rng : Generator

    Returns
    -------
    ndarray of int64, shape (size,)
    """
    counts = np.bincount(labels, minlength=len(shares))
    return rng.choice(len(labels), size=size, p=(shares / np.maximum(counts, 1))[labels])


def balanced_epoch(context: Context, epoch: int, *, draw: int) -> np.ndarray:
    """Bootstrap number `draw` of the training set, in the order of `epoch`; (K floor(n / K),)."""
    bootstrap = balanced_bootstrap(
        context.labels, context.num_classes, context.rng("bootstrap", draw)
    )
    return context.rng("order", epoch).permutation(bootstrap)


def balanced_bootstrap(
    labels: np.ndarray, num_classes: int, rng: np.random.Generator
) -> np.ndarray:
    """Positions of ``floor(n / K)`` draws with replacement from each class present, by class.

    `labels` is (n,); the result is an int64 array.
    """
    members = [np.flatnonzero(labels == label) for label in range(num_classes)]
    per_class = len(labels) // num_classes
    return np.concatenate(
        [rng.choice(samples, size=per_class) for samples in members if len(samples)]
    )
