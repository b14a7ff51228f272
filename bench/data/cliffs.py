"""Activity cliffs: molecules that are nearly equal by their fingerprints, under other labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.data.compiled import compiled
from bench.data.conflicts import conflict_groups
from bench.data.featurise import Progress
from bench.data.similarity import bit_counts, ones

NEAR = 0.9
"""From this Tanimoto similarity of Morgan fingerprints on, two molecules are a cliff where labels
differ (0.9 as in van Tilborg et al., J. Chem. Inf. Model. 2022, doi:10.1021/acs.jcim.2c01073)."""

MOST = 100_000
"""Of more molecules, pairs are not compared: their number grows with the square."""

_EXAMPLES = 3
# Of a fingerprint, whose bits are counted by parts: a pair that cannot be near is passed over by
# these counts, before its bits are compared.
_PARTS = 4
# Molecules between two calls of `on_progress`.
_BLOCK = 512


@dataclass(frozen=True)
class Cliffs:
    """Pairs of different molecules with similarity :data:`NEAR` or more.

    Attributes
    ----------
    molecules : int
        Distinct molecules that were compared.
    near : int
        Pairs that are so near, whatever their labels.
    pairs : int
        Those of them with different labels.
    in_pairs : int
        Molecules in at least one of these.
    examples : tuple of (int, int, float)
        Up to three of these, each of another molecule with the one most like it: the positions of
        two samples, and their similarity, which falls.
    """

    molecules: int
    near: int
    pairs: int
    in_pairs: int
    examples: tuple[tuple[int, int, float], ...]


def activity_cliffs(
    bits: np.ndarray,
    labels: np.ndarray,
    identity: np.ndarray,
    *,
    on_progress: Progress | None = None,
) -> Cliffs | None:
    """The cliffs among samples; a molecule counts once, one that has two labels not at all.

    Parameters
    ----------
    bits : ndarray of uint64, shape (M, W)
        Fingerprints.
    labels : ndarray of int64, shape (M,)
    identity : ndarray of int64, shape (M,)
        Equal numbers are the same molecule.
    on_progress : callable or None
        Called now and then with the number of molecules done so far and of all.

    Returns
    -------
    Cliffs or None
        None where there are more than :data:`MOST` molecules.
    """
    two_labels = conflict_groups(identity, labels)
    _, first = np.unique(identity, return_index=True)
    samples = np.setdiff1d(first, np.concatenate([np.empty(0, np.int64), *two_labels]))
    if len(samples) > MOST:
        return None
    bits, labels = bits[samples], labels[samples]
    parts = bit_counts(bits, _PARTS)
    # By rising number of bits, as those of a near pair are nearly as many.
    order = np.argsort(parts.sum(axis=1), kind="stable")
    bits, labels, parts, samples = bits[order], labels[order], parts[order], samples[order]
    in_pairs = np.zeros(len(samples), np.bool_)
    partner, similarity = np.full(len(samples), -1), np.zeros(len(samples))
    near = pairs = 0
    for start in range(0, len(samples), _BLOCK):
        stop = min(start + _BLOCK, len(samples))
        found, different = _near(bits, labels, parts, start, stop, in_pairs, partner, similarity)
        near, pairs = near + found, pairs + different
        if on_progress is not None:
            on_progress(stop, len(samples))
    best = [n for n in np.argsort(-similarity, kind="stable")[:_EXAMPLES] if partner[n] >= 0]
    return Cliffs(
        len(samples),
        near,
        pairs,
        int(in_pairs.sum()),
        tuple(
            (int(min(pair)), int(max(pair)), float(similarity[n]))
            for n in best
            for pair in [(samples[n], samples[partner[n]])]
        ),
    )


@compiled
def _near(
    bits: np.ndarray,
    labels: np.ndarray,
    parts: np.ndarray,
    start: int,
    stop: int,
    in_pairs: np.ndarray,
    partner: np.ndarray,
    similar: np.ndarray,
) -> tuple[int, int]:
    """How many near pairs rows from `start` to `stop` make with later rows, and how many cliffs.

    Marks the molecules of cliffs in `in_pairs`; of each row, `partner` becomes the later row that
    is most similar under another label, and `similar` how similar it is.
    """
    near = cliffs = 0
    for i in range(start, stop):
        ones_i = parts[i].sum()
        for j in range(i + 1, len(bits)):
            ones_j = parts[j].sum()
            if ones_i < NEAR * ones_j:
                break
            most = 0
            for part in range(parts.shape[1]):
                most += min(parts[i, part], parts[j, part])
            if most < NEAR * (ones_i + ones_j - most):
                continue
            common = np.uint64(0)
            for word in range(bits.shape[1]):
                common += ones(bits[i, word] & bits[j, word])
            both = np.int64(common)
            similarity = both / max(ones_i + ones_j - both, 1)
            if similarity < NEAR:
                continue
            near += 1
            if labels[i] == labels[j]:
                continue
            cliffs += 1
            in_pairs[i] = in_pairs[j] = True
            if similarity > similar[i]:
                partner[i], similar[i] = j, similarity
    return near, cliffs
