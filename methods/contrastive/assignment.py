"""Clusters of limited size: k-means in which every centre takes only so many samples."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bench.data.compiled import compiled

Rounding = Literal["ceil", "floor"]


def assign_with_capacity(similarity: np.ndarray, capacity: int) -> np.ndarray:
    """Give every sample one centre, at most `capacity` samples a centre, most similar first.

    The result is that of the greedy rule: again and again, take the most similar pair of a sample
    without centre and a centre with room (on a tie the pair of lower flat index) and join them.

    Parameters
    ----------
    similarity : ndarray, shape (n, M)
        Of n samples with M centres, finite.
    capacity : int
        At least ``n / M``.

    Returns
    -------
    ndarray of int64, shape (n,)

    Notes
    -----
    Samples and centres rank each other by the same numbers, so the greedy pairs are the only
    stable matching of the two sides (Gale and Shapley, American Mathematical Monthly 69 (1962)
    9-15) and deferred acceptance finds them: every free sample asks for its best centre, a centre
    asked by too many keeps the best of them, the others ask on. In which order they ask does not
    matter.

    References
    ----------
    LTDD, arXiv 2504.04647, Algorithm 1.

    Examples
    --------
    Both want centre 1. The second sample wants it more.

    >>> assign_with_capacity(np.array([[0.1, 0.8], [0.2, 0.9]]), capacity=1)
    array([0, 1])
    """
    samples, centres = similarity.shape
    if capacity * centres < samples:
        raise ValueError(
            f"Expected room for {samples} samples, but {centres} centres of {capacity} have "
            f"{capacity * centres} places."
        )
    if not np.isfinite(similarity).all():
        raise ValueError("Expected finite similarities, but some are infinite or not numbers.")
    if capacity >= samples:
        return similarity.argmax(axis=1)
    return _deferred_acceptance(similarity, capacity)


def balanced_kmeans(
    features: np.ndarray,
    num_clusters: int,
    rng: np.random.Generator,
    *,
    capacity: int | None = None,
    iterations: int = 10,
) -> np.ndarray:
    """Cosine k-means from k-means++ centres, at most `capacity` samples a cluster.

    Ends after `iterations` assignments, or when one repeats the last.

    Parameters
    ----------
    features : ndarray, shape (n, D)
        Rows of unit length.
    num_clusters : int
        M, from 1 to n.
    rng : numpy.random.Generator
        Draws the first centres.
    capacity : int, optional
        At least ``n / M``; none is plain k-means.

    Returns
    -------
    ndarray of int64, shape (n,)
        Cluster numbers below M. Some may not occur where features repeat, or capacity is
        above ``ceil(n / M)``.

    References
    ----------
    Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007 (centres);
    Hou et al., "Subclass-balancing Contrastive Learning for Long-tailed Recognition", ICCV 2023,
    arXiv 2306.15925, Algorithm 1 (capacity).
    """
    if num_clusters == 1:
        return np.zeros(len(features), dtype=np.int64)
    centres = _first_centres(features, num_clusters, rng)
    labels = np.full(len(features), -1)
    for _ in range(iterations):
        similarity = features @ centres.T
        found = assign_with_capacity(similarity, capacity or len(features))
        if np.array_equal(found, labels):
            break
        labels = found
        members = np.zeros((num_clusters, len(features)), features.dtype)
        members[labels, np.arange(len(features))] = 1
        # The length of a sum does not matter to a cosine; a centre without samples stays.
        sums = members @ features
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return labels


def subclusters(
    features: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
    *,
    limit: int,
    rounding: Rounding = "ceil",
    iterations: int = 10,
) -> np.ndarray:
    """Cut each class of n samples into ``m = n / limit`` clusters of at most ``ceil(n / m)``.

    Parameters
    ----------
    features : ndarray, shape (n, D)
        Rows of unit length.
    labels : ndarray of int64, shape (n,)
        Classes.
    limit : int
        U, the size to cut to. A class with no more samples is one cluster.
    rounding : {"ceil", "floor"}
        Of m. Rounded up, no cluster has more than `limit` samples. Rounded down, they do: `limit`
        places in each would not be enough for all.

    Returns
    -------
    ndarray of int64, shape (n,)
        Cluster numbers, those of a class before those of the next.

    References
    ----------
    LTDD, arXiv 2504.04647, section 3.2; the numbers of clusters are not stated there.
    """
    found = np.empty(len(labels), dtype=np.int64)
    first = 0
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = num_subclusters(len(members), limit, rounding)
        found[members] = first + balanced_kmeans(
            features[members],
            count,
            rng,
            capacity=-(-len(members) // count),
            iterations=iterations,
        )
        first += count
    return found


def num_subclusters(samples: int, limit: int, rounding: Rounding) -> int:
    """How many clusters a class of so many `samples` is cut into; at least 1.

    Examples
    --------
    >>> num_subclusters(27779, 1010, "ceil"), num_subclusters(27779, 1010, "floor")
    (28, 27)
    """
    return max(1, samples // limit if rounding == "floor" else -(-samples // limit))


def _first_centres(features: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Samples drawn one by one, with the squared distance to the nearest drawn as weight."""
    centres = np.empty((count, features.shape[1]), features.dtype)
    centres[0] = features[rng.integers(len(features))]
    distances = np.full(len(features), np.inf, features.dtype)
    for i in range(1, count):
        # Half the squared distance of unit vectors.
        cumulative = _approach(distances, features @ centres[i - 1])
        if cumulative[-1] > 0:
            drawn = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
        else:  # fewer distinct samples than centres
            drawn = rng.integers(len(features))
        centres[i] = features[min(drawn, len(features) - 1)]
    return centres


@compiled
def _approach(distances: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Sums of the `distances` up to each, lowered to those of a new centre; float64 (n,)."""
    sums, total = np.empty(len(distances)), 0.0
    zero, one = products.dtype.type(0), products.dtype.type(1)
    for sample in range(len(distances)):
        distances[sample] = min(distances[sample], max(one - products[sample], zero))
        total += distances[sample]
        sums[sample] = total
    return sums


@compiled
def _deferred_acceptance(similarity: np.ndarray, capacity: int) -> np.ndarray:
    """See :func:`assign_with_capacity`; with fewer places a centre than samples."""
    samples, centres = similarity.shape
    assigned = np.empty(samples, np.int64)
    # The samples a centre keeps, as a heap with the least wanted on top.
    kept, sizes = np.empty((centres, capacity), np.int64), np.zeros(centres, np.int64)
    for newcomer in range(samples):
        free = newcomer
        while free >= 0:
            best = -1
            for centre in range(centres):
                offer = similarity[free, centre]
                if best >= 0 and not offer > similarity[free, best]:
                    continue
                if sizes[centre] == capacity:
                    last = kept[centre, 0]
                    bar = similarity[last, centre]
                    if offer < bar or (offer == bar and free > last):
                        continue
                best = centre
            assigned[free] = best
            free = _take(kept[best], sizes, best, similarity[:, best], free)
    return assigned


@compiled
def _take(heap: np.ndarray, sizes: np.ndarray, centre: int, wanted: np.ndarray, sample: int) -> int:
    """Put `sample` on the heap; in place of the top when it is full. Who had to go, or -1."""
    if sizes[centre] < len(heap):
        hole, gone = sizes[centre], -1
        sizes[centre] += 1
        while hole > 0 and _is_wanted_less(wanted, sample, heap[(hole - 1) // 2]):
            heap[hole] = heap[(hole - 1) // 2]
            hole = (hole - 1) // 2
    else:
        hole, gone = 0, heap[0]
        while 2 * hole + 1 < len(heap):
            below = 2 * hole + 1
            if below + 1 < len(heap) and _is_wanted_less(wanted, heap[below + 1], heap[below]):
                below += 1
            if not _is_wanted_less(wanted, heap[below], sample):
                break
            heap[hole] = heap[below]
            hole = below
    heap[hole] = sample
    return gone


@compiled
def _is_wanted_less(wanted: np.ndarray, one: int, other: int) -> bool:
    """Whether `one` is less similar than `other` or, equally similar, comes later."""
    return wanted[one] < wanted[other] or (wanted[one] == wanted[other] and one > other)
