"""The contract of a data set: where its file comes from, and how to read it.

To add one, write ``datasets/NAME.py`` with a subclass of :class:`Dataset` under
:func:`register_dataset`. Reading returns text and labels only; parsing molecules, caching,
splitting and auditing are shared by all data sets.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from bench.errors import DataError
from bench.options import Options
from bench.registry import Registry

MAX_BAD = 0.01
"""Largest share of the rows with a label that may be bad, where nothing else is asked for."""

_ERRORS_OF_SHEETS = ("#n/a", "#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!")

MISSING = frozenset({"", "nan", "na", "<na>", "n/a", "null", *_ERRORS_OF_SHEETS})
"""What stands in a file for a value that is not there, in small letters; a spreadsheet saved as
text has its errors."""

EntityKind = Literal["molecule", "protein", "category"]


@dataclass(frozen=True)
class Source:
    """One file from which a data set can be read.

    Attributes
    ----------
    filename : str
        Name looked for in the data folders.
    url : str or None
        Official home, tried when the file is in no folder.
    wheel : str or None
        Requirement such as ``"MoleculeACE==3.0.0"`` when the file is a Python wheel that the
        package index serves; it is fetched as a file, never installed.
    sha256 : str or None
        Checksum of the file's bytes where it is known. Without one, the checksum of the first
        download is written down and a later file that differs is refused.
    """

    filename: str
    url: str | None = None
    wheel: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Entity:
    """One input of every sample, as text.

    Attributes
    ----------
    name : str
        Such as ``"reactants"``.
    kind : {"molecule", "protein", "category"}
        SMILES, amino-acid sequence, or a category name. Entities of one kind share one encoder.
    values : sequence of str
        One text a row.
    """

    name: str
    kind: EntityKind
    values: Sequence[str]


@dataclass(frozen=True)
class RawSamples:
    """A data set as read from its file, before any molecule is parsed.

    Attributes
    ----------
    entities : tuple of Entity
        At least one, all of length M.
    labels : ndarray of int64, shape (M,)
        Class indices 0..K-1; -1 in the rows of `unusable`.
    class_names : tuple of str
        Length K.
    row_names : sequence of str or None
        What to call a row in messages; row numbers from 0 when None.
    rows : ndarray of int64, shape (M,), or None
        Row of the file of each of these, counted from 0 below the header, where an option leaves
        rows out; 0..M-1 when None.
    notes : tuple of str
        What a reader of the data report should know about this file.
    unusable : mapping of int to str
        Rows that cannot be used whatever their molecules are, such as those without a label,
        and the reason.
    unlabelled : frozenset of int
        Those of `unusable` that have no label or are blank. They are left out like all of them,
        but do not count as bad rows, of which a file may have only so many.
    split_column : sequence of str or None
        In which set the file itself puts a row, one text a row: see the split ``column``.
    dates : sequence of str or None
        The date of a row, one text a row: see the split ``time``.
    """

    entities: tuple[Entity, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    row_names: Sequence[str] | None = None
    rows: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    unusable: Mapping[int, str] = field(default_factory=dict)
    unlabelled: frozenset[int] = frozenset()
    split_column: Sequence[str] | None = None
    dates: Sequence[str] | None = None

    def columns_of_splits(self) -> dict[str, Sequence[str]]:
        """Those of `split_column` and `dates` that are there."""
        columns = {"split_column": self.split_column, "dates": self.dates}
        return {name: texts for name, texts in columns.items() if texts is not None}

    def content_sha256(self) -> str:
        """Checksum of the samples: inputs, labels and class names, in order of the rows.

        Columns that a split reads are in it where there are any.
        """
        digest = hashlib.sha256()
        for entity in self.entities:
            digest.update(json.dumps([entity.name, entity.kind, list(entity.values)]).encode())
        digest.update(self.labels.astype("<i8").tobytes())
        digest.update(json.dumps(self.class_names).encode())
        for name, texts in self.columns_of_splits().items():
            digest.update(json.dumps([name, list(texts)]).encode())
        return digest.hexdigest()

    def __post_init__(self) -> None:
        if not self.entities:
            raise DataError("Expected at least one entity, but got none.")
        for entity in self.entities:
            if len(entity.values) != len(self.labels):
                raise DataError(
                    f"Expected {len(self.labels)} values of entity {entity.name!r}, one a label, "
                    f"but got {len(entity.values)}."
                )
        for name, texts in self.columns_of_splits().items():
            if len(texts) != len(self.labels):
                raise DataError(
                    f"Expected {len(self.labels)} texts in {name}, one a label, but got "
                    f"{len(texts)}."
                )
        if self.rows is not None and len(self.rows) != len(self.labels):
            raise DataError(
                f"Expected {len(self.labels)} row numbers, one a label, but got {len(self.rows)}."
            )
        unlabelled = set(np.flatnonzero(self.labels < 0).tolist())
        if unlabelled != set(self.unusable):
            raise DataError(
                "Expected classes numbered from 0, and -1 in the unusable rows only, but rows "
                f"{sorted(unlabelled ^ set(self.unusable))[:5]} differ. Number the classes from 0 "
                "in the data set's reader, and list rows without a label as unusable."
            )


class Dataset(ABC):
    """A data set that can be found, read and described.

    Class attributes are facts; an instance adds the options the user chose.
    """

    options_type: ClassVar[type[Options]] = Options
    sources: ClassVar[tuple[Source, ...]] = ()
    # Whether samples are equal, too, that hold the same molecules in another order: such pairs
    # are grouped, looked for by the audit and reported where their labels differ.
    unordered: ClassVar[bool] = False

    def __init__(self, options: Options | None = None) -> None:
        self.options = options if options is not None else self.options_type()

    def label(self) -> str | None:
        """What tables call this data set with its options; None: the name as it was typed."""
        return None

    def candidates(self) -> tuple[Source, ...]:
        """Files to look for, the preferred first."""
        return self.sources

    @abstractmethod
    def read(self, path: Path) -> RawSamples:
        """Read the file at `path`, which is one of :meth:`candidates`.

        Raises
        ------
        DataError
            The content is not this data set: missing columns, wrong counts, unusable labels.
        """


DATASETS: Registry[type[Dataset]] = Registry("data set", "bench.datasets", "ltdd_bench.datasets")


def register_dataset(
    name: str, *, title: str, reference: str, licence: str = "", version: int = 1
) -> Callable[[type[Dataset]], type[Dataset]]:
    """Register a data set under `name`.

    Parameters
    ----------
    title : str
        Column heading in tables.
    reference : str
        Publication.
    licence : str
        Under which terms the data may be used, in a few words; empty where that is not known.
    version : int
        Raise it when what :meth:`Dataset.read` returns changes for the same file.
    """

    def decorate(cls: type[Dataset]) -> type[Dataset]:
        facts = {"title": title, "reference": reference, "licence": licence, "version": version}
        DATASETS.add(name, cls, **facts)
        return cls

    return decorate
