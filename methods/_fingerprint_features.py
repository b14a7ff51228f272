"""What a method without a network reads of a sample: fragments, triads and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from bench.data.morgan import Fingerprint, SparseRow
from bench.method import Samples
from bench.models.conjoint_triad import NUM_TRIADS, conjoint_triads

# SciPy takes a while to import and is imported where it is used.
if TYPE_CHECKING:
    from scipy.sparse import csr_array

Combine = Literal["difference", "concatenate"]
Block = TypeVar("Block")

_CATEGORIES = "categories of "


class FingerprintFeatures:
    """Samples as sparse rows: circular fragments, conjoint triads, one column a category.

    Parameters
    ----------
    fingerprint : callable
        Gives counts of fragments of a SMILES.
    bits : int
        Their length.
    combine : {"difference", "concatenate"}
        Two molecules: second minus first, or side by side. More are always side by side.
    presence : bool
        A single molecule by which fragments it has, rather than by how often.
    """

    def __init__(
        self, fingerprint: Fingerprint, bits: int, combine: Combine, *, presence: bool
    ) -> None:
        self._fingerprint, self._bits = fingerprint, bits
        self._combine, self._presence = combine, presence
        # Each distinct protein once, whatever part of the data it is in.
        self._triads = cache(_triads)
        self._categories: dict[str, dict[str, int]] = {}

    def learn_categories(self, train: Samples) -> None:
        """Give each category of the training set its column."""
        self._categories = {
            entity.name: {name: place for place, name in enumerate(sorted(set(entity.values)))}
            for entity in train.entities
            if entity.kind == "category"
        }

    def __call__(self, samples: Samples) -> csr_array:
        """The rows, float32, (n, D)."""
        from scipy.sparse import hstack

        blocks = self._of_molecules(samples)
        for entity in samples.entities:
            if entity.kind == "protein":
                blocks.append(_stack([self._triads(text) for text in entity.values], NUM_TRIADS))
            elif entity.kind == "category":
                blocks.append(_one_hot(entity.values, self._categories[entity.name]))
        return hstack(blocks, format="csr", dtype=np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """What :meth:`load_state` needs: the categories, in the order of their columns."""
        return {
            f"{_CATEGORIES}{name}": np.array(list(places), str)
            for name, places in self._categories.items()
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take the categories from `state`, in which there may be more."""
        self._categories = {
            name.removeprefix(_CATEGORIES): {
                category: place for place, category in enumerate(categories.tolist())
            }
            for name, categories in state.items()
            if name.startswith(_CATEGORIES)
        }

    def _of_molecules(self, samples: Samples) -> list[csr_array]:
        """Blocks of columns for a sample's molecules, of which there may be none."""
        counts = [
            _stack([self._fingerprint(smiles) for smiles in entity.values], self._bits)
            for entity in samples.entities
            if entity.kind == "molecule"
        ]
        if len(counts) == 1 and self._presence:
            return [counts[0].sign()]
        return combined(counts, self._combine)


def combined(blocks: list[Block], combine: Combine) -> list[Block]:
    """Blocks of columns of a sample's molecules as they are read; of two, it may be one."""
    if len(blocks) == 2 and combine == "difference":
        first, second = blocks
        return [second - first]  # type: ignore[operator]
    return blocks


def _row(entries: Mapping[int, float]) -> SparseRow:
    return SparseRow(
        np.fromiter(entries.keys(), np.int32, len(entries)),
        np.fromiter(entries.values(), np.float32, len(entries)),
    )


def _triads(sequence: str) -> SparseRow:
    triads = conjoint_triads(sequence)
    places = np.flatnonzero(triads)
    return SparseRow(places.astype(np.int32), triads[places])


def _one_hot(names: Sequence[str], places: Mapping[str, int]) -> csr_array:
    """One column for each category of the training set; zeros for one that is not there."""
    known = [{places[name]: 1.0} if name in places else {} for name in names]
    return _stack([_row(entries) for entries in known], len(places))


def _stack(rows: Sequence[SparseRow], width: int) -> csr_array:
    """The rows one below the other, float32, shape (len(rows), width)."""
    from scipy.sparse import csr_array

    ends = np.cumsum([0, *(len(row.places) for row in rows)], dtype=np.int32)
    return csr_array(
        (
            np.concatenate([row.values for row in rows]),
            np.concatenate([row.places for row in rows]),
            ends,
        ),
        shape=(len(rows), width),
    )
