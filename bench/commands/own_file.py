"""A file of the user's as data sets: from command-line options to ``csv[...]``."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.commands.console import warn
from bench.errors import BenchError, DataError, UsageError
from bench.spec import Spec, check_options, split_list

# Options of the command line that say how a file is read, and the settings they stand for.
_SETTINGS = {
    "smiles_col": "smiles_columns",
    "label_col": "label_column",
    "protein_col": "protein_column",
    "split_col": "split_column",
    "date_col": "date_column",
    "label_cut": "label_cut",
    "standardise": "standardise",
    "sheet": "sheet",
    "delimiter": "delimiter",
    "max_bad": "max_bad",
}
_FILE = re.compile(
    r".*(/.*|\.(csv|tsv|tab|sdf|parquet|xlsx)(\.gz)?|\.zip)", re.IGNORECASE | re.DOTALL
)
_LABEL_NAMES = ("y", "label", "class", "target", "activity", "outcome", "category")
# Texts that are parsed to see whether a column holds SMILES.
_TRIED = 20
_MOST_COLUMNS = 20


def file_as_datasets(path: str | Path, arguments: Mapping[str, Any]) -> list[str]:
    """``csv[path=...,smiles_columns=[...],label_column=...]``, one for each label column.

    A label column that has one class is left out with a warning where there are others.

    Raises
    ------
    UsageError
        A column is not named; the message says which there are and which may be meant.
    DataError
        Of several label columns, one is not there, or none has two classes.
    """
    given = {name: arguments[name] for name in _SETTINGS if arguments[name] is not None}
    if not given.get("smiles_col") and (column := molecule_column(path)):
        given["smiles_col"] = column
    lacking = [option for option in ("smiles_col", "label_col") if not given.get(option)]
    if lacking:
        raise UsageError(_which_columns(path, given, lacking))
    given["smiles_col"] = _smiles_columns(path, given)
    options = {_SETTINGS[name]: value for name, value in given.items()}
    return [csv_dataset(path, task) for task in tasks_of(path, options)]


def names_of_columns(text: str, columns: Collection[str]) -> list[str]:
    """Those of `columns` that `text` names, as a whole or separated by commas.

    In a list, a name that holds a comma stands in double quotes.

    Examples
    --------
    >>> names_of_columns('"SMILES, canonical",salt', ["SMILES, canonical", "salt"])
    ['SMILES, canonical', 'salt']
    """
    if text in columns:
        return [text]
    return [name if name in columns else _unquoted(name) for name in split_list(text)]


def _smiles_columns(path: str | Path, given: Mapping[str, Any]) -> list[str]:
    asked = given["smiles_col"]
    if not isinstance(asked, str):
        return list(asked)
    if not set(',"') & set(asked):  # one name, which may end in a space
        return [asked]
    from bench.commands.csv_stream import open_table

    form = {name: given.get(name) for name in ("delimiter", "sheet")}
    try:
        with open_table(str(path), **form, expected=split_list(asked)) as table:
            return names_of_columns(asked, table.header)
    except BenchError:  # it is said when the file is read as a data set
        return names_of_columns(asked, ())


def molecule_column(path: str | Path) -> str | None:
    """The column of molecules in a file whose kind decides it, as of SDF; None in others."""
    from bench.datasets._files import MOLECULE, kind_of_file, only_member

    kind = kind_of_file(Path(path).name)
    if kind == ".zip":
        try:
            kind = kind_of_file(only_member(Path(path).expanduser())[0])
        except DataError:  # it is said when the file is read as a data set
            return None
    return MOLECULE if kind == ".sdf" else None


def tasks_of(path: str | Path, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Options of one data set for each column that ``label_column`` names.

    Parameters
    ----------
    path : str or Path
    options : mapping
        Those of :class:`bench.datasets.csv_file.CsvOptions`, but ``label_column`` may be a list,
        or a text as :func:`names_of_columns` takes it.

    Raises
    ------
    DataError
        A column is not there, or none of several has two classes.
    """
    asked = options["label_column"]
    names = split_list(asked) if isinstance(asked, str) else list(asked)
    whole = asked if isinstance(asked, str) else names[0]
    if len(names) < 2:
        return [{**options, "label_column": whole}]
    from bench.datasets._classes import OneClassError
    from bench.datasets._files import read_file
    from bench.datasets.csv_file import CsvFile, CsvOptions

    def checked(task: Mapping[str, Any]) -> CsvOptions:
        return check_options(CsvOptions, Spec("csv", {"path": str(path), **task}), "data set")

    first = checked({**options, "label_column": whole})
    table = read_file(
        Path(path).expanduser(),
        delimiter=first.delimiter,
        expected=first.smiles_columns,
        sheet=first.sheet,
    )
    if isinstance(asked, str):
        names = names_of_columns(asked, table.columns)
    if len(names) < 2:
        return [{**options, "label_column": names[0]}]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"Expected each label column once, but got {repeated[0]!r} twice.")
    stem = Path(path).name.partition(".")[0].replace(":", "_")
    kept, reasons = [], []
    for name in names:
        task = {**options, "label_column": name, "name": f"{stem}:{name}"}
        try:
            CsvFile(checked(task)).samples(table)
        except OneClassError as error:
            reasons.append(f"{task['name']} is left out: {error}")
        else:
            kept.append(task)
    if not kept:
        raise DataError("Expected a label column with two classes, but:\n  " + "\n  ".join(reasons))
    for reason in reasons:
        warn(reason)
    return kept


def _unquoted(name: str) -> str:
    try:
        text = json.loads(name)
    except ValueError:
        return name
    return text if isinstance(text, str) else name


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
        raise UsageError(
            "Expected the name of a data set or a CSV file, or another table, but got none."
        )
    others = [name for name in names if not _is_file(name)]
    return [*others, *(name for file in files for name in file_as_datasets(file, arguments))]


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
    from bench.datasets._files import read_file
    from bench.datasets._table import DELIMITERS, delimiter_name

    delimiter = delimiter_name(given.get("delimiter"))
    if delimiter not in DELIMITERS:  # it is refused once the columns are named
        delimiter = None
    text = (
        f"Expected {' and '.join('--' + name.replace('_', '-') for name in lacking)}, the columns "
        "of molecules and of classes"
    )
    try:
        columns = read_file(
            Path(path).expanduser(), delimiter=delimiter, sheet=given.get("sheet")
        ).columns
    except BenchError as error:
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
