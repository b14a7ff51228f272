"""A table of the user's, as a frame or a file, as the data set of a benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from bench.commands.own_file import csv_dataset, molecule_column, tasks_of
from bench.dataset import DATASETS
from bench.errors import ArgumentError, nearest
from bench.files import write_atomically
from bench.spec import parse_spec, split_list

if TYPE_CHECKING:
    import pandas as pd

Data: TypeAlias = "pd.DataFrame | Mapping[str, Sequence[Any]] | str | PathLike[str]"

# Results folders are made here unless another place is asked for, as by the command line.
_RESULTS = Path("results")
_DIGITS = 8


@dataclass(frozen=True)
class OwnData:
    """What is benchmarked and where its results go.

    Attributes
    ----------
    datasets : list of str
        As the command line names them: one a label column.
    folder : Path
        The results folder.
    """

    datasets: list[str]
    folder: Path


def own_data(
    data: Data,
    *,
    smiles: str | Sequence[str] | None,
    label: str | Sequence[str] | None,
    protein: str | None,
    label_cut: str | float | Sequence[float] | None,
    standardise: bool,
    name: str | None,
    out: str | PathLike[str] | None,
    options: Mapping[str, Any],
) -> OwnData:
    """A frame, which is written to a file, or a file, as a data set.

    Parameters
    ----------
    data : DataFrame, mapping, str or path
        A mapping is columns by name. A text that is the name of a registered data set means
        that one, where neither `smiles` nor `label` is given.
    smiles, label, protein, label_cut, standardise, name, out
        Those of :func:`bench.compare`.
    options : mapping
        Further options of the file, such as ``max_bad``.

    Raises
    ------
    ArgumentError
        A column is not named or not there, or what is asked of a file is asked of a registered data
        set.
    """
    if isinstance(data, str) and smiles is None and label is None:
        spec = parse_spec(data)
        if spec.name in DATASETS:
            of_files = {
                "protein": protein,
                "label_cut": label_cut,
                "standardise": standardise or None,
                "name": name,
                **options,
            }
            if unused := [f"{key}=" for key, value in of_files.items() if value is not None]:
                raise ArgumentError(
                    f"Expected none of {', '.join(unused)} with the registered data set {data}: "
                    "that is for a file or a frame. Its own options stand in brackets; --list "
                    f"{spec.name} names them."
                )
            folder = Path(out) if out is not None else _RESULTS / _word(spec.label)
            return OwnData([data], folder)
    columns = [smiles] if isinstance(smiles, str) else list(smiles or ())
    label = label if label is None or isinstance(label, str) else list(label)
    if isinstance(data, str | PathLike):
        path = Path(data).expanduser()
        columns = columns or [found for found in [molecule_column(path)] if found is not None]
        _require_columns(columns, label, f"of molecules and of classes in {path}", ())
        content = path.read_bytes() if path.is_file() else str(path).encode()
    else:
        others = [protein, options.get("split_column"), options.get("date_column")]
        content = _csv_of(data, columns, label, [name for name in others if name is not None])
    cut = _cut(label_cut)
    made = {key: value for key, value in (("cut", cut), ("standardise", standardise)) if value}
    asked_for = (columns, label, protein, *([made] if made else []))
    digest = hashlib.sha256(content + repr(asked_for).encode()).hexdigest()
    stem = name or (path.name.partition(".")[0] if isinstance(data, str | PathLike) else "frame")
    folder = Path(out) if out is not None else _RESULTS / f"{_word(stem)}-{digest[:_DIGITS]}"
    if not isinstance(data, str | PathLike):
        path = folder / "data" / digest[:_DIGITS] / f"{_word(stem)}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    given = {
        "smiles_columns": columns,
        "label_column": label,
        "protein_column": protein,
        "label_cut": cut,
        "standardise": standardise or None,
        **options,
    }
    asked = {key: value for key, value in given.items() if value is not None}
    return OwnData([csv_dataset(path, task) for task in tasks_of(path, asked)], folder)


def _cut(given: str | float | Sequence[float] | None) -> str | None:
    """A cut as the command line has it."""
    if given is None or isinstance(given, str):
        return given
    return str(given) if np.ndim(given) == 0 else ",".join(map(str, given))  # type: ignore[arg-type]


def _csv_of(
    data: Any, smiles: Sequence[str], label: str | list[str] | None, others: Sequence[str]
) -> bytes:
    """The named columns of a frame as CSV."""
    import pandas as pd

    try:
        frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"Expected a data frame, columns by name or the path of a file, but got "
            f"{type(data).__name__}: {error}."
        ) from error
    _require_columns(smiles, label, "of molecules and of classes", list(map(str, frame.columns)))
    labels = [label] if isinstance(label, str) else list(label or ())
    if isinstance(label, str) and label not in frame.columns:
        labels = split_list(label) or labels
    wanted = [*smiles, *labels, *others]
    for column in wanted:
        if column not in frame.columns:
            near = nearest(column, map(str, frame.columns))
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ArgumentError(
                f"Expected a column {column!r} in the frame, but got the columns "
                f"{', '.join(map(repr, map(str, frame.columns)))}.{hint}"
            )
    text: str = frame[wanted].to_csv(index=False, lineterminator="\n")
    return text.encode()


def _require_columns(
    smiles: Sequence[str], label: str | Sequence[str] | None, what: str, columns: Sequence[str]
) -> None:
    lacking = [name for name, given in (("smiles", smiles), ("label", label)) if not given]
    if lacking:
        there = f" There are {', '.join(map(repr, columns))}." if columns else ""
        raise ArgumentError(
            f"Expected {' and '.join(f'{name}=' for name in lacking)}, the columns {what}, but "
            f"got none.{there}"
        )


def _word(text: str) -> str:
    """`text` as the name of a file or folder."""
    word = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in text)
    return word.strip("_") or "data"
