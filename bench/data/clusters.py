"""Clusters of similar molecules, exact, in memory that grows with their number alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.data import cache
from bench.data.compiled import compiled
from bench.data.featurise import Progress
from bench.data.prepare import molecule_numbers
from bench.data.prepared import PreparedData
from bench.data.similarity import bit_counts, ones, sample_fingerprints
from bench.sources import sources_of

CUTOFF = 0.35
"""Largest Tanimoto distance to the centre of a cluster, where nothing else is asked for."""

# Molecules between two calls of `on_progress`.
_BLOCK = 512


def sample_clusters(
    prepared: PreparedData,
    cutoff: float = CUTOFF,
    *,
    cache_dir: Path | None = None,
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> np.ndarray:
    """Butina cluster of every sample, computed when first asked for and then cached.

    Each distinct molecule is clustered once, that of a sample with several being the last, the
    product of a reaction. Other parameters are those of :func:`bench.data.prepare.prepare`.

    Parameters
    ----------
    prepared : PreparedData
    cutoff : float
        See :func:`butina`.

    Returns
    -------
    ndarray of int64, shape (M,)

    Raises
    ------
    DataError
        The samples hold no molecule.
    """
    molecules = molecule_numbers(prepared)[-1]

    def build() -> dict[str, np.ndarray]:
        bits = sample_fingerprints(
            prepared, cache_dir=cache_dir, jobs=jobs, on_progress=on_progress
        )
        _, first, place = np.unique(molecules, return_index=True, return_inverse=True)
        return {"clusters": butina(bits[first], cutoff, on_progress=on_progress)[place]}

    key = {
        "prepared": prepared.fingerprint,
        "source": sources_of([__name__], within=("bench.data",)),
        "cutoff": cutoff,
    }
    folder = cache_dir or cache.default_folder()
    return cache.open_or_build(folder, f"butina-{prepared.name}", key, build)["clusters"]


def butina(bits: np.ndarray, cutoff: float, *, on_progress: Progress | None = None) -> np.ndarray:
    """Cluster of each of n fingerprints by Butina's algorithm.

    The molecule with the most neighbours, those within `cutoff`, is a centre and takes all of
    them; of the rest, the one with the most neighbours at the start is next. Of equal ones the
    later comes first. These are the clusters of ``rdkit.ML.Cluster.Butina.ClusterData`` without
    reordering, which holds all n^2 distances. Here neighbours are counted, and found again where
    they are needed, so that memory is that of the fingerprints.

    Butina, J. Chem. Inf. Comput. Sci. 1999, 39, 747, doi:10.1021/ci9803381. Fingerprints whose
    numbers of bits differ too much are not compared: Swamidass and Baldi, J. Chem. Inf. Model.
    2007, 47, 302, doi:10.1021/ci600358f.

    Parameters
    ----------
    bits : ndarray of uint64, shape (n, W)
    cutoff : float
        Largest Tanimoto distance, 1 - |a & b| / |a | b|, of two neighbours.
    on_progress : callable or None
        Called now and then with the number of molecules done so far and of all.

    Returns
    -------
    ndarray of int64, shape (n,)
        Clusters are numbered from 0 in the order in which they are made.

    Examples
    --------
    The first three differ by one bit of four at most, the last by all.

    >>> butina(np.array([[0b0111], [0b1111], [0b1110], [0b10000]], np.uint64), 0.25).tolist()
    [0, 0, 0, 1]
    """
    sizes = bit_counts(bits, 1)[:, 0]
    order = np.argsort(sizes, kind="stable")
    rising, of_rising = np.ascontiguousarray(bits[order]), sizes[order]
    counts = np.zeros(len(bits), np.int64)
    for first in range(0, len(bits), _BLOCK):
        last = min(first + _BLOCK, len(bits))
        _count_neighbours(rising, of_rising, cutoff, first, last, counts)
        if on_progress is not None:
            on_progress(last, len(bits))
    candidates = np.lexsort((-order, -counts))
    clusters = np.empty(len(bits), np.int64)
    clusters[order] = _clusters(rising, of_rising, cutoff, counts, candidates)
    return clusters


@compiled
def _distance(one: np.ndarray, other: np.ndarray) -> float:
    common = either = np.uint64(0)
    for word in range(len(one)):
        common += ones(one[word] & other[word])
        either += ones(one[word] | other[word])
    return 1.0 - common / either if either else 0.0


@compiled
def _count_neighbours(
    bits: np.ndarray, sizes: np.ndarray, cutoff: float, first: int, last: int, counts: np.ndarray
) -> None:
    """Add to `counts` the pairs of ``first:last`` and all later ones; `sizes` are rising."""
    for n in range(first, last):
        for other in range(n + 1, len(bits)):
            # |a & b| / |a | b| is |a| / |b| at most, also once both are rounded.
            if 1.0 - sizes[n] / max(sizes[other], 1) > cutoff:
                break
            if _distance(bits[n], bits[other]) <= cutoff:
                counts[n] += 1
                counts[other] += 1


@compiled
def _clusters(
    bits: np.ndarray,
    sizes: np.ndarray,
    cutoff: float,
    counts: np.ndarray,
    candidates: np.ndarray,
) -> np.ndarray:
    """The cluster of each fingerprint; `candidates` are tried as centres in their order."""
    clusters = np.full(len(bits), -1, np.int64)
    made = 0
    for centre in candidates:
        if clusters[centre] >= 0:
            continue
        clusters[centre] = made
        if counts[centre]:
            for other in range(centre + 1, len(bits)):
                if 1.0 - sizes[centre] / max(sizes[other], 1) > cutoff:
                    break
                if clusters[other] < 0 and _distance(bits[centre], bits[other]) <= cutoff:
                    clusters[other] = made
            for other in range(centre - 1, -1, -1):
                if 1.0 - sizes[other] / max(sizes[centre], 1) > cutoff:
                    break
                if clusters[other] < 0 and _distance(bits[centre], bits[other]) <= cutoff:
                    clusters[other] = made
        made += 1
    return clusters
