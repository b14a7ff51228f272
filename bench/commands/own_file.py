"""A CSV file of the user's as a data set: from command-line options to ``csv[...]``."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.spec import split_list

# Options of the command line that say how a file is read, and the settings they stand for.
_SETTINGS = {
    "smiles_col": "smiles_columns",
    "label_col": "label_column",
    "protein_col": "protein_column",
    "split_col": "split_column",
    "date_col": "date_column",
    "delimiter": "delimiter",
    "max_bad": "max_bad",
}
_FILE = re.compile(r".*(/.*|\.(csv|tsv|tab)(\.gz)?)", re.IGNORECASE | re.DOTALL)
_LABEL_NAMES = ("y", "label", "class", "target", "activity", "outcome", "category")
# Texts that are parsed to see whether a column holds SMILES.
_TRIED = 20
_MOST_COLUMNS = 20


def file_as_dataset(path: str | Path, arguments: Mapping[str, Any]) -> str:
    """``csv[path=...,smiles_columns=[...],label_column=...]`` from the options of a file.

    Raises
    ------
    UsageError
        A column is not named; the message says which there are and which may be meant.
    """
    given = {name: arguments[name] for name in _SETTINGS if arguments[name] is not None}
    lacking = [option for option in ("smiles_col", "label_col") if not given.get(option)]
    if lacking:
        raise UsageError(_which_columns(path, given, lacking))
    given["smiles_col"] = split_list(given["smiles_col"])
    return csv_dataset(path, {_SETTINGS[name]: value for name, value in given.items()})


def csv_dataset(path: str | Path, options: Mapping[str, Any]) -> str:
    """``csv[path=...]`` with these options of :class:`bench.datasets.csv_file.CsvOptions`."""
    options = {"path": str(path), **options}
    return f"csv[{','.join(f'{key}={json.dumps(value)}' for key, value in options.items())}]"


def datasets_of(names: Sequence[str], arguments: Mapping[str, Any]) -> list[str]:
    """Data sets from names, files among them, and --data.

    Raises
    ------
    UsageError
        None is given, or there are options of a file without one.
    """
    files = [name for name in names if _is_file(name)]
    if arguments["data"] is not None:
        files.append(arguments["data"])
    if not files:
        refuse_without_file(arguments)
    if not names and not files:
        raise UsageError("Expected the name of a data set or a CSV file, but got none.")
    others = [name for name in names if not _is_file(name)]
    return [*others, *(file_as_dataset(file, arguments) for file in files)]


def _is_file(name: str) -> bool:
    """Whether `name` is that of a file; one with brackets must exist, or they hold options."""
    if not _FILE.fullmatch(name):
        return False
    return not set("[]") & set(name) or os.path.isfile(os.path.expanduser(name))


def refuse_without_file(arguments: Mapping[str, Any]) -> None:
    """Refuse options that go with a file of the user's.

    Raises
    ------
    UsageError
        There is one of them.
    """
    given = [f"--{name.replace('_', '-')}" for name in _SETTINGS if arguments[name] is not None]
    if given:
        raise UsageError(f"{', '.join(given)} go with --data FILE, but there is no file.")


def _which_columns(path: str | Path, given: Mapping[str, Any], lacking: Sequence[str]) -> str:
    """What is not given, the columns of the file, and options that may be meant."""
    from bench.datasets._table import DELIMITERS, delimiter_name, read_table

    delimiter = delimiter_name(given.get("delimiter"))
    if delimiter not in DELIMITERS:  # it is refused once the columns are named
        delimiter = None
    text = (
        f"Expected {' and '.join('--' + name.replace('_', '-') for name in lacking)}, the columns "
        "of molecules and of classes"
    )
    try:
        columns = read_table(Path(path).expanduser(), delimiter=delimiter).columns
    except DataError as error:
        return f"{text}, but they are not given. {error}"
    shown = ", ".join(map(repr, list(columns)[:_MOST_COLUMNS]))
    if len(columns) > _MOST_COLUMNS:
        shown += f", ... ({len(columns)} in all)"
    text += f"; {path} has the columns {shown}."
    smiles = given.get("smiles_col") or smiles_column(columns)
    label = given.get("label_col") or _label_column(columns)
    if smiles is None or label is None:
        return text
    return f"{text} Perhaps: {shlex.join(['--smiles-col', smiles, '--label-col', label])}"


def smiles_column(columns: Mapping[str, Sequence[str]]) -> str | None:
    """The column that holds SMILES by its name or, failing that, by its values; None without."""
    from bench.data.molecules import parse

    for name in columns:
        if "smiles" in name.lower():
            return name
    for name, values in columns.items():
        tried = [text for text in values if text.strip()][:_TRIED]
        readable = sum(parse(text).mol is not None for text in tried)
        if len(set(tried)) > 1 and readable > 0.8 * len(tried):
            return name
    return None


def _label_column(columns: Mapping[str, Sequence[str]]) -> str | None:
    for name in columns:
        if name.lower() in _LABEL_NAMES:
            return name
    distinct = {name: len(set(values)) for name, values in columns.items()}
    rows = max(map(len, columns.values()))
    few = [name for name, count in distinct.items() if 2 <= count <= rows / 2]
    return min(few, key=distinct.__getitem__, default=None)
