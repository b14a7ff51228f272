"""A data set ready for splitting and training: labels, graphs and indices into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from bench.data.packed import PackedGraphs
from bench.dataset import EntityKind

Kind = Literal["bad", "unlabelled", "conflict"]

Arrays = Mapping[str, np.ndarray]
Keep = Callable[[str, Mapping[str, Any], Callable[[], Arrays]], Arrays]
"""Gives the arrays of a kind with a key, which are made when they are not there."""

# In the place of a label that whoever holds the data must not know; no class, not even by chance.
HIDDEN = -1


def _made_anew(kind: str, key: Mapping[str, Any], build: Callable[[], Arrays]) -> Arrays:
    return build()


@dataclass(frozen=True)
class Unusable:
    """A row of the file that cannot be used as it stands, and why.

    Attributes
    ----------
    row : int
        Counted from 0 below the header.
    name : str
        What the file calls it; the number again where rows have no names.
    reason : str
    kind : {"bad", "unlabelled", "conflict"}
        Only bad rows count against the limit of a file.
    """

    row: int
    name: str
    reason: str
    kind: Kind = "bad"

    def __str__(self) -> str:
        name = "" if self.name == str(self.row) else f" ({self.name})"
        return f"row {self.row}{name}: {self.reason}"


@dataclass(frozen=True)
class EntityIndex:
    """One input of every sample, as an index into the distinct values of its kind.

    Attributes
    ----------
    name : str
        Such as ``"reactants"``.
    kind : {"molecule", "protein", "category"}
        Says which table `index` points into: `PreparedData.graphs`, `.proteins` or `.categories`.
    index : ndarray of int32, shape (M,)
        One entry a sample.
    """

    name: str
    kind: EntityKind
    index: np.ndarray


@dataclass(frozen=True)
class PreparedData:
    """M usable samples of one data set.

    Attributes
    ----------
    name : str
        Registry name of the data set.
    entities : tuple of EntityIndex
        Inputs in the order in which their embeddings are concatenated.
    graphs : PackedGraphs
        The distinct molecules of all molecule entities.
    smiles : sequence of str
        SMILES of each graph, as it stands in the file.
    proteins, categories : tuple of str
        The distinct sequences and category names.
    labels : ndarray of int64, shape (M,)
        Class indices 0..K-1; HIDDEN where :meth:`knowing` left the label out.
    class_names : tuple of str
        Length K.
    rows : ndarray of int64, shape (M,)
        Row of the file each sample came from, counted from 0 below the header.
    identity : ndarray of int64, shape (M,)
        Samples with the same number are the same molecule, reaction or pair after
        canonicalisation and removal of atom maps; in either order where `Dataset.unordered` is set.
    total_rows : int
        Rows that the reader took from the file; ``total_rows == M + len(unusable)``.
    unusable : tuple of Unusable
        Rows left out.
    repaired : tuple of Unusable
        Rows kept although standard parsing failed, with what was done.
    notes : tuple of str
        Remarks of the reader for the data report.
    data_sha256 : str
        Checksum of the bytes of the file read.
    content_sha256 : str
        Checksum of the samples as read, :meth:`RawSamples.content_sha256`.
    fingerprint : str
        Hash of everything the arrays depend on: the file, the data set's options and version,
        the featuriser's settings and source, RDKit's version.
    keep : callable
        :func:`bench.data.cache.open_or_build` in the folder that the data came from, for what is
        made of it; of data that came from no folder, nothing is kept.
    molecules : ndarray of int64, shape (G,), or None
        Graphs with the same number are one molecule, however it is written; None where no split
        asks for it.
    split_column, dates : sequence of str, length M, or None
        What the file says of each sample, see :class:`bench.dataset.RawSamples`.
    """

    name: str
    entities: tuple[EntityIndex, ...]
    graphs: PackedGraphs
    smiles: Sequence[str]
    proteins: tuple[str, ...]
    categories: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    rows: np.ndarray
    identity: np.ndarray
    total_rows: int
    unusable: tuple[Unusable, ...]
    repaired: tuple[Unusable, ...]
    notes: tuple[str, ...]
    data_sha256: str
    content_sha256: str
    fingerprint: str
    keep: Keep = _made_anew
    molecules: np.ndarray | None = None
    split_column: Sequence[str] | None = None
    dates: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    def knowing(self, *parts: np.ndarray) -> PreparedData:
        """The same samples, with the labels of those at the positions in `parts` alone."""
        labels = np.full(len(self), HIDDEN, np.int64)
        for positions in parts:
            labels[positions] = self.labels[positions]
        return replace(self, labels=labels)

    def class_counts(self, samples: np.ndarray | None = None) -> np.ndarray:
        """Samples per class, shape (K,), of all samples or of those whose positions are given."""
        labels = self.labels if samples is None else self.labels[samples]
        return np.bincount(labels, minlength=self.num_classes)
