"""How near the molecules of test come to those of training: similarity of fingerprints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import cache
from bench.data.compiled import compiled
from bench.data.featurise import Progress, fingerprints
from bench.data.prepared import PreparedData
from bench.errors import DataError
from bench.sources import sources_of
from bench.split import Split

LAST = -1
"""Place of the last molecule of a sample, the product of a reaction."""

CLOSE = 0.85
"""From here on two molecules are called close, as is usual for these fingerprints."""

# Queries between two calls of `on_progress`: a tenth of a second on the largest sets here.
_BLOCK = 512


def sample_fingerprints(
    prepared: PreparedData,
    place: int = LAST,
    *,
    cache_dir: Path | None = None,
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> np.ndarray:
    """Fingerprint of every sample, computed when first asked for and then cached.

    Other parameters are those of :func:`bench.data.prepare.prepare`.

    Parameters
    ----------
    prepared : PreparedData
    place : int
        Which molecule of a sample with several is meant, by its place among them.

    Returns
    -------
    ndarray of uint64, shape (M, W)
        See :func:`bench.data.featurise.fingerprints`.

    Raises
    ------
    DataError
        The samples hold no molecule.
    """
    molecules = [entity for entity in prepared.entities if entity.kind == "molecule"]
    if not molecules:
        raise DataError(
            f"Expected a molecule in the samples of {prepared.name}, but got "
            f"{', '.join(entity.kind for entity in prepared.entities)}: proteins and categories "
            "have no fingerprint."
        )

    def build() -> dict[str, np.ndarray]:
        return {"bits": fingerprints_of(prepared, place=place, jobs=jobs, on_progress=on_progress)}

    # The fingerprint of the data covers the file, the sources that read molecules, and RDKit.
    key: dict[str, Any] = {"prepared": prepared.fingerprint}
    if place not in (LAST, len(molecules) - 1):
        key["place"] = place
    folder = cache_dir or cache.default_folder()
    return cache.open_or_build(folder, f"fingerprints-{prepared.name}", key, build)["bits"]


def fingerprints_of(
    prepared: PreparedData,
    samples: np.ndarray | None = None,
    *,
    place: int = LAST,
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> np.ndarray:
    """Fingerprint of a molecule of each of `samples`, or of all; (n, W), made again."""
    index = [entity.index for entity in prepared.entities if entity.kind == "molecule"][place]
    used, numbers = np.unique(index if samples is None else index[samples], return_inverse=True)
    smiles = [prepared.smiles[graph] for graph in used]
    return fingerprints(smiles, jobs=jobs, on_progress=on_progress)[numbers]


def similarity_to_training(
    bits: np.ndarray, split: Split, *, on_progress: Progress | None = None
) -> np.ndarray:
    """Tanimoto similarity of each test sample to the training sample most like it.

    Parameters
    ----------
    bits : ndarray of uint64, shape (M, W) or (E, M, W)
        Fingerprint of every sample, or of E molecules of it: then that counts of a test sample
        which is most like any of those of training.
    split : Split
        Of the same M samples.
    on_progress : callable or None
        Called now and then with the number of distinct fingerprints done so far and of all.

    Returns
    -------
    ndarray of float64, shape (T,)
        One for each of ``split.test``, 0..1.
    """
    words = bits.shape[-1]
    asked, known = (bits[..., own, :].reshape(-1, words) for own in (split.test, split.train))
    nearest = nearest_similarity(asked, known, on_progress=on_progress)
    found: np.ndarray = nearest.reshape(-1, len(split.test)).max(axis=0)
    return found


def sample_similarities(
    prepared: PreparedData,
    split: Split,
    places: Sequence[int] = (LAST,),
    *,
    cache_dir: Path | None = None,
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> np.ndarray | None:
    """:func:`similarity_to_training` of a data set's split, cached; None without a molecule.

    Of several molecules those at `places` count: of a test sample the one that is most like any
    of those of the training samples.
    """
    if all(entity.kind != "molecule" for entity in prepared.entities):
        return None

    def build() -> dict[str, np.ndarray]:
        inputs = [
            sample_fingerprints(
                prepared, place, cache_dir=cache_dir, jobs=jobs, on_progress=on_progress
            )
            for place in places
        ]
        return {"nearest": similarity_to_training(np.stack(inputs), split, on_progress=on_progress)}

    key = {
        "prepared": prepared.fingerprint,
        "places": list(places),
        "split": split.hash,
        "source": sources_of([__name__], within=("bench.data",)),
    }
    folder = cache_dir or cache.default_folder()
    return cache.open_or_build(folder, f"similarity-{prepared.name}", key, build)["nearest"]


def places_in_words(prepared: PreparedData, places: Sequence[int]) -> str:
    """Which molecules of a sample are meant, by the names of the inputs; nothing of a single one.

    Of several, :func:`sample_similarities` takes the nearest.
    """
    names = [entity.name for entity in prepared.entities if entity.kind == "molecule"]
    if len(names) < 2:
        return ""
    return f"{'the nearest of ' if len(places) > 1 else ''}{', '.join(names[p] for p in places)}"


def similarity_in_words(nearest: np.ndarray, which: str = "") -> str:
    """How near a test set lies to training, from the similarity of each of its samples.

    Parameters
    ----------
    nearest : ndarray of float64, shape (T,)
    which : str
        From :func:`places_in_words`.

    Examples
    --------
    >>> similarity_in_words(np.array([0.4, 0.5, 0.9, 1.0]))
    'test molecules are 0.70 similar to the nearest in training (median), 50% close (0.85 or more).'
    """
    return (
        f"test molecules{f' ({which})' if which else ''} are {np.median(nearest):.2f} "
        f"similar to the nearest in training (median), {np.mean(nearest >= CLOSE):.0%} close "
        f"({CLOSE} or more)."
    )


def nearest_similarity(
    asked: np.ndarray, known: np.ndarray, *, on_progress: Progress | None = None
) -> np.ndarray:
    """Tanimoto similarity of each of `asked` to the one of `known` most like it.

    Parameters
    ----------
    asked, known : ndarray of uint64, shapes (T, W) and (M, W)
        Fingerprints.
    on_progress : callable or None
        Called now and then with the number of distinct fingerprints done so far and of all.

    Returns
    -------
    ndarray of float64, shape (T,)
        One for each of `asked`, 0..1.
    """
    known = np.unique(known, axis=0)
    asked, place = np.unique(asked, axis=0, return_inverse=True)
    nearest = np.empty(len(asked))
    for first in range(0, len(asked), _BLOCK):
        last = min(first + _BLOCK, len(asked))
        nearest[first:last] = _nearest(asked[first:last], known)
        if on_progress is not None:
            on_progress(last, len(asked))
    return nearest[place.reshape(-1)]


@compiled
def similarities(query: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Tanimoto similarity of one fingerprint (W,) to each of `references` (M, W); float64, (M,)."""
    found = np.empty(len(references))
    for r in range(len(references)):
        common = either = np.uint64(0)
        for word in range(len(query)):
            common += ones(query[word] & references[r, word])
            either += ones(query[word] | references[r, word])
        found[r] = common / max(either, np.uint64(1))
    return found


@compiled
def _nearest(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Largest Tanimoto similarity, |a & b| / |a | b|, of each query to any reference."""
    nearest = np.zeros(len(queries))
    for q in range(len(queries)):
        for similarity in similarities(queries[q], references):
            nearest[q] = max(nearest[q], similarity)
    return nearest


@compiled
def ones(word: np.uint64) -> np.uint64:
    """Bits that are set; the compiler knows this form and makes one instruction of it."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def bit_counts(bits: np.ndarray, parts: int) -> np.ndarray:
    """Bits that are set in each part of a fingerprint, int64, (M, parts)."""
    counts = np.zeros((len(bits), parts), np.int64)
    words = bits.shape[1]
    for row in range(len(bits)):
        for word in range(words):
            counts[row, word * parts // words] += np.int64(ones(bits[row, word]))
    return counts
