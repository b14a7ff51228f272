"""From what scikit-learn hands over to molecules and proteins as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from bench.dataset import Entity
from bench.errors import ArgumentError

_FIRST = "smiles"


@dataclass(frozen=True)
class TextColumns:
    """Samples as n texts of each input.

    Attributes
    ----------
    names : tuple of str
        Of the columns; made up where they have none.
    named : bool
        Whether the columns have names of their own.
    values : tuple of list of str
        A missing text is empty.
    """

    names: tuple[str, ...]
    named: bool
    values: tuple[list[str], ...]

    def __len__(self) -> int:
        return len(self.values[0])

    def entities(self, protein: str | int | None) -> tuple[Entity, ...]:
        """Inputs of a model: molecules, but for the column `protein`.

        Raises
        ------
        ArgumentError
            There is no such column.
        """
        place = self._place(protein)
        return tuple(
            Entity(name, "protein" if number == place else "molecule", values)
            for number, (name, values) in enumerate(zip(self.names, self.values, strict=True))
        )

    def rows(self, chosen: np.ndarray) -> TextColumns:
        """Those rows only."""
        values = tuple([column[row] for row in chosen] for column in self.values)
        return TextColumns(self.names, self.named, values)

    def _place(self, protein: str | int | None) -> int | None:
        if protein is None:
            return None
        if isinstance(protein, str) and protein in self.names:
            return self.names.index(protein)
        if isinstance(protein, int) and 0 <= protein < len(self.names):
            return protein
        raise ArgumentError(
            f"Expected a column in protein=, but got {protein!r}. There are: "
            f"{', '.join(map(repr, self.names))}."
        )


def text_columns(x: Any) -> TextColumns:
    """The columns of X.

    Parameters
    ----------
    x : sequence, array, Series or frame
        n texts, or n rows of several. None and NaN are empty texts.

    Raises
    ------
    ArgumentError
        It is something else, empty, or holds what is no text.
    """
    if hasattr(x, "columns") and hasattr(x, "iloc"):
        names = [str(name) for name in x.columns]
        named = all(isinstance(name, str) for name in x.columns)
        columns = [x.iloc[:, number].tolist() for number in range(len(names))]
    else:
        columns, names, named = _columns_of_array(x), [], False
        names = [_FIRST] if len(columns) == 1 else [f"{_FIRST}_{n}" for n in range(len(columns))]
    if not columns or not columns[0]:
        raise ArgumentError("Expected at least one sample in X, but got none.")
    values = tuple([_text(value, row) for row, value in enumerate(column)] for column in columns)
    return TextColumns(tuple(names), named, values)


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, or the NA of pandas, which is not even unequal to itself."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True
    except ValueError:  # of an array
        return False


def _columns_of_array(x: Any) -> list[list[Any]]:
    if issparse(x):
        raise ArgumentError("Expected X to be a list or array of SMILES, but got sparse data.")
    if isinstance(x, str | bytes) or not (hasattr(x, "__array__") or isinstance(x, Sequence)):
        raise ArgumentError(
            "Expected X to be a list, array, series or frame of SMILES, but got "
            f"{type(x).__name__}. A single molecule is a list of one."
        )
    try:
        array = np.asarray(x, dtype=object)
    except ValueError as error:
        raise ArgumentError(f"Expected as many SMILES in each row of X: {error}.") from error
    if array.ndim == 1:
        return [array.tolist()]
    if array.ndim == 2 and not array.shape[1]:
        raise ArgumentError(
            f"Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )
    if array.ndim == 2:
        return [column.tolist() for column in array.T]
    raise ArgumentError(f"Expected X of one or two dimensions, but got shape {array.shape}.")


def _text(value: Any, row: int) -> str:
    if isinstance(value, str):
        return str(value)
    if is_missing(value):
        return ""
    raise ArgumentError(
        f"Expected SMILES text in X, but got {type(value).__name__} {value!r} in row {row}."
    )
