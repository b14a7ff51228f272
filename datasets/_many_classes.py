"""Sets of many classes: known counts, checked names, and small classes left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from bench.errors import DataError
from bench.options import Options
from bench.plain_text import some_of

from ._table import Table


class ManyClassOptions(Options):
    """Which classes are large enough."""

    min_class_size: int = Field(
        10,
        ge=1,
        description="fewest rows of a class; smaller classes are left out. With 10, the random "
        "split has 7, 1 and 2 rows of the smallest in training, validation and test set",
    )


@dataclass(frozen=True)
class Counts:
    """What a file is known to hold: rows, classes, rows of the largest and the smallest class."""

    rows: int
    classes: int
    largest: int
    smallest: int

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows in {self.classes} classes of {self.smallest:,} to "
            f"{self.largest:,} rows"
        )


@dataclass(frozen=True)
class Chosen:
    """Rows of a file that an option chooses.

    Attributes
    ----------
    rows : ndarray of int64, shape (M,)
        Rising.
    why : str
        The option, as a note says it: ``"sources is 'open'"``.
    """

    rows: np.ndarray
    why: str


@dataclass(frozen=True)
class Classes:
    """K classes of M of the rows of a file.

    Attributes
    ----------
    names : tuple of str
        Length K, in the order of the file's labels.
    labels : ndarray of int64, shape (M,)
        Classes of the rows, numbered 0..K-1 without gaps.
    rows : ndarray of int64, shape (M,)
        Which rows they are, rising.
    notes : tuple of str
        What was left out, and why; empty when nothing was.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    rows: np.ndarray
    notes: tuple[str, ...]

    def of(self, values: Sequence[str]) -> list[str]:
        """Those of the values of a column that stand in `rows`."""
        return [values[row] for row in self.rows.tolist()]


def read_classes(
    table: Table, name: str, expected: Counts, least: int, *, label: str = "label",
    chosen: Chosen | None = None,
) -> Classes:  # fmt: skip
    """The classes of a table that have at least `least` rows, numbered again in their old order.

    Parameters
    ----------
    table : Table
    name, label : str
        Columns of the class names and of the labels.
    expected : Counts
        What the whole file is known to hold.
    least : int
        The option `min_class_size`.
    chosen : Chosen, optional
        Rows to count and to keep; all when None.

    Raises
    ------
    DataError
        The file does not hold what is expected, a class has two names or a name two classes, or
        fewer than two classes are left.
    """
    labels = table.labels(label)
    _check_counts(labels, expected, table.where)
    names = _names(labels, table.column(name), table.where)
    notes = []
    rows = np.arange(len(labels))
    if chosen is not None:
        rows = chosen.rows
        notes.append(
            f"Left out, as {chosen.why}: {_some_rows(len(labels) - len(rows), len(labels))}, and "
            f"with them {len(names) - len(np.unique(labels[rows]))} of {len(names)} classes."
        )
    sizes = np.bincount(labels[rows], minlength=len(names))
    present, kept = np.flatnonzero(sizes), np.flatnonzero(sizes >= least)
    if len(kept) < 2:
        largest = " and ".join(f"{size:,}" for size in np.sort(sizes)[:-3:-1])
        raise DataError(
            f"Expected at least two classes of {least:,} rows or more in {table.where}, but the "
            f"two largest have {largest}. Lower the option min_class_size."
        )
    small = np.setdiff1d(present, kept)
    if len(small):
        notes.append(
            f"Left out, as min_class_size is {least:,}: {len(small)} of {len(present)} classes, "
            f"{_some_rows(int(sizes[small].sum()), len(rows))}: "
            f"{some_of([f'{names[k]} ({sizes[k]})' for k in small])}."
        )
    number = np.full(len(names), -1)
    number[kept] = np.arange(len(kept))
    new = number[labels[rows]]
    return Classes(
        names=tuple(names[k] for k in kept),
        labels=new[new >= 0],
        rows=rows[new >= 0],
        notes=tuple(notes),
    )


def _some_rows(some: int, all_rows: int) -> str:
    return f"{some:,} of {all_rows:,} rows"


def _check_counts(labels: np.ndarray, expected: Counts, where: str) -> None:
    classes, sizes = np.unique(labels, return_counts=True)
    got = Counts(len(labels), len(classes), int(sizes.max()), int(sizes.min()))
    if got != expected or (classes[0], classes[-1]) != (0, len(classes) - 1):
        raise DataError(
            f"Expected {expected}, numbered 0 to {expected.classes - 1}, in {where}, but got "
            f"{got}, numbered {classes[0]} to {classes[-1]}. The file is incomplete, changed or "
            "another data set: fetch it again."
        )


def _names(labels: np.ndarray, texts: Sequence[str], where: str) -> list[str]:
    """Name of each of the labels 0..K-1, by the texts that stand beside them."""
    names: dict[int, str] = {}
    numbers: dict[str, int] = {}
    for row, (label, text) in enumerate(zip(labels.tolist(), texts, strict=True)):
        if names.setdefault(label, text) != text or numbers.setdefault(text, label) != label:
            raise DataError(
                f"Expected one name a class in {where}, but row {row}, counted from 0 below the "
                f"header, has the label {label} and the name {text!r}, and a row above has only "
                "one of them. Fetch the file again."
            )
    return [names[label] for label in range(len(names))]
