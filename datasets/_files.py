"""A table of the user's in any of the kinds of file that tables are kept in."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.errors import DataError

from ._table import (
    DELIMITERS,
    SUFFIXES,
    Table,
    check_unpacked_size,
    found_delimiter,
    parse_table,
    read_bytes,
    unpack,
)

KINDS = (*SUFFIXES, ".sdf", ".parquet", ".xlsx")
"""How the names of files end that are read, with or without ``.gz`` or ``.zip`` behind it."""

MOLECULE = "molecule"
"""The column of an SDF file that holds the SMILES of its molecules."""

_SHOWN = 5
# What the archivers of some systems add to every archive.
_ADDED = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class FileTable(Table):
    """A table, and which of its rows are bad from the start.

    Attributes
    ----------
    bad : mapping of int to str
        Rows that could not be read, and why.
    """

    bad: Mapping[int, str] = field(default_factory=dict)


def read_file(
    path: Path,
    *,
    delimiter: str | None = None,
    expected: Sequence[str] = (),
    sheet: str | None = None,
) -> FileTable:
    """Read a table: delimited text, SDF, Parquet or Excel, as it is or packed.

    Numbers, dates and truth values become the texts that a CSV file of the same table has.

    Parameters
    ----------
    path : Path
        Its name says the kind, see :data:`KINDS`.
    delimiter : str, optional
        One of the names in :data:`bench.datasets._table.DELIMITERS`; by the name of the file and
        its header when None.
    expected : sequence of str
        Columns that the header should have, by which the delimiter is found.
    sheet : str, optional
        Of an Excel file; the first one when None.

    Raises
    ------
    DataError
        Unknown kind, damaged or oversized, not one table in the archive, no such sheet, no rows,
        or whatever :func:`bench.datasets._table.parse_table` refuses.
    UnavailableError
        The package that reads this kind is absent.
    """
    kind = kind_of_file(path.name)
    if kind is None:
        raise DataError(
            f"Expected a file that ends in {', '.join(KINDS)}, with or without .gz or .zip behind "
            f"it, but got {path}. Save the table as one of these."
        )
    if kind == ".zip":
        name, data = only_member(path)
        kind, where = PurePosixPath(name).suffix.lower(), f"{path}/{name}"
    else:
        data, where = read_bytes(path), str(path)
    if sheet is not None and kind != ".xlsx":
        raise DataError(
            f"Expected an Excel file, as the sheet {sheet!r} is named, but got {where}."
        )
    if delimiter is not None and kind not in SUFFIXES:
        raise DataError(
            f"Expected delimited text, as the delimiter {delimiter!r} is named, but got {where}."
        )
    if kind == ".sdf":
        from ._sdf import parse_sdf

        return parse_sdf(data, where)
    if kind == ".parquet":
        from ._typed import parse_parquet

        return parse_parquet(data, where, expected)
    if kind == ".xlsx":
        from ._typed import parse_excel

        return parse_excel(data, where, sheet)
    sign = found_delimiter(data, SUFFIXES[kind], expected)
    found = parse_table(data, where, sign if delimiter is None else DELIMITERS[delimiter])
    return FileTable(found.where, found.columns)


def kind_of_file(name: str) -> str | None:
    """How the name of a file ends, one of :data:`KINDS` or ``.zip``; None where it is another.

    Examples
    --------
    >>> kind_of_file("my.SDF.gz"), kind_of_file("my.sdf.zip"), kind_of_file("my.doc")
    ('.sdf', '.zip', None)
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    last = suffixes[-1] if suffixes else ""
    if last == ".gz":
        last = suffixes[-2] if len(suffixes) > 1 else ""
        return last if last in KINDS else None
    return last if last in (*KINDS, ".zip") else None


def only_member(path: Path) -> tuple[str, bytes]:
    """Name and bytes of the one file in a zip archive.

    Raises
    ------
    DataError
        There is none or more than one, or it cannot be unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                info
                for info in archive.infolist()
                if not info.is_dir() and not set(PurePosixPath(info.filename).parts) & {*_ADDED}
            ]
            names = [info.filename for info in members]
            if len(names) != 1 or PurePosixPath(names[0]).suffix.lower() not in KINDS:
                shown = ", ".join(map(repr, names[:_SHOWN])) + (
                    f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
                )
                raise DataError(
                    f"Expected one file in {path} that ends in {', '.join(KINDS)}, but got "
                    f"{shown or 'nothing'}. Unpack it, and name the file that is meant."
                )
            if members[0].flag_bits & 1:
                raise DataError(
                    f"Expected an archive without a password, but {path} is encrypted. Unpack it "
                    "first."
                )
            check_unpacked_size(members[0].file_size, str(path))
            with archive.open(members[0]) as stream:
                data = unpack(stream, str(path))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"Expected {path} to be a whole zip archive, but it cannot be read: {error}. Fetch it "
            "again."
        ) from error
    return names[0], data
