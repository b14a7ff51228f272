"""Tables that are read and written row by row, whatever their size."""

from __future__ import annotations

import csv
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, BinaryIO

from bench.datasets._files import kind_of_file, read_file
from bench.datasets._table import DELIMITERS, delimiter_name, found_delimiter
from bench.errors import DataError, StoreError, UsageError
from bench.files import replacing

STANDARD = "-"
"""Stands for the standard input or the standard output."""

_BOM = "\ufeff"
_GZIP = b"\x1f\x8b"
_NO_TEXT = (".sdf", ".parquet", ".xlsx", ".zip")
_TABBED = (".tsv", ".tab")


@dataclass(frozen=True)
class Dialect:
    """How a table is written: the delimiter, the end of a line, and whether a mark comes first."""

    delimiter: str
    line_end: str = "\n"
    byte_order_mark: bool = False


@dataclass
class TableReader:
    """A table whose rows are still to come.

    Attributes
    ----------
    where : str
        The file, as messages name it.
    header : list of str
    dialect : Dialect
    rows : iterator of list of str
        As many texts a row as in the header.
    bad : mapping of int to str
        Rows that could not be read, and why.
    """

    where: str
    header: list[str]
    dialect: Dialect
    rows: Iterator[list[str]]
    bad: Mapping[int, str] = field(default_factory=dict)

    def blocks(self, size: int) -> Iterator[list[list[str]]]:
        """The rows, up to `size` at a time."""
        while block := list(islice(self.rows, size)):
            yield block


@contextmanager
def open_table(
    source: str,
    *,
    delimiter: str | None = None,
    sheet: str | None = None,
    expected: Sequence[str] = (),
) -> Iterator[TableReader]:
    """Open a table of UTF-8 text, packed with gzip or not; ``-`` is the standard input.

    The rules are those of :func:`bench.datasets._files.read_file`, but rows are read as they are
    asked for, the suffix does not matter, and columns that nobody asks for may share a name. A file
    that is no text by its name, such as ``.sdf``, is read whole.

    Parameters
    ----------
    source : str
    delimiter : str, optional
        One of the names in :data:`DELIMITERS`, or the delimiter itself; found when None.
    sheet : str, optional
        Of an Excel file; the first one when None.
    expected : sequence of str
        Columns that the header should have, by which the delimiter is found.

    Raises
    ------
    DataError
        It cannot be read, or has no header; while rows are read, one does not fit the header.
    """
    if source != STANDARD and kind_of_file(source) in _NO_TEXT:
        found = read_file(
            Path(source).expanduser(), delimiter=delimiter, sheet=sheet, expected=expected
        )
        cells = map(list, zip(*found.columns.values(), strict=True))
        yield TableReader(found.where, list(found.columns), Dialect(","), cells, found.bad)
        return
    where = "the standard input" if source == STANDARD else source
    if sheet is not None:
        raise DataError(
            f"Expected an Excel file, as the sheet {sheet!r} is named, but got {where}. Leave out "
            "--sheet."
        )
    with _errors_of(where), ExitStack() as stack:
        binary = _binary(source, stack)
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        # The standard input stays open, as whoever started this process may still want it.
        stack.callback(text.detach)
        try:
            first = next((line for line in text if line.strip(f"{_BOM} \t\r\n")), None)
        except UnicodeDecodeError as error:
            raise _not_utf8(where, 0, error) from error
        if first is None:
            raise DataError(
                f"Expected a header and at least one row in {where}, but got an empty file."
            )
        bare = first.removeprefix(_BOM)
        dialect = Dialect(
            _delimiter(bare, source, delimiter, expected),
            "\r\n" if first.endswith("\r\n") else "\n",
            bare != first,
        )
        rows = _rows(chain([bare], text), dialect.delimiter, where)
        yield TableReader(where, next(rows), dialect, rows)


def count_rows(source: str, **form: Any) -> int | None:
    """Rows below the header, all of which fit it; None where `source` can be read only once.

    `form` is that of :func:`open_table`.
    """
    if source == STANDARD or not os.path.isfile(source):
        return None
    with open_table(source, **form) as table:
        return sum(1 for _ in table.rows)


class TableWriter:
    """Writes rows of text to a binary file.

    Parameters
    ----------
    file : binary file
    dialect : Dialect
    """

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self._file = file
        self._text = io.StringIO(newline="")
        form = {"delimiter": dialect.delimiter, "lineterminator": dialect.line_end}
        self._plain = csv.writer(self._text, **form)  # type: ignore[arg-type]
        # Some versions of Python leave a lone carriage return unquoted, which then ends a line.
        self._quoted = csv.writer(self._text, quoting=csv.QUOTE_ALL, **form)  # type: ignore[arg-type]
        if dialect.byte_order_mark:
            self._file.write(_BOM.encode())

    def write(self, rows: Iterable[Sequence[str]]) -> None:
        """Write `rows` and hand them on."""
        for row in rows:
            returns = any("\r" in cell for cell in row)
            (self._quoted if returns else self._plain).writerow(row)
        self._file.write(self._text.getvalue().encode())
        self._file.flush()
        self._text.seek(0)
        self._text.truncate()


@contextmanager
def open_target(target: str) -> Iterator[IO[bytes]]:
    """Open what a table is written to; ``-`` is the standard output, ``.gz`` is packed.

    A file appears, or takes the place of another, when the block ends without an error.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    if target == STANDARD:
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    # What a link leads to is replaced, not the link.
    path = Path(target).expanduser().resolve()
    try:
        with _new_file(path) as file:
            if path.suffix.lower() != ".gz":
                yield file
                return
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield packed  # type: ignore[misc]
    except OSError as error:
        raise StoreError(
            f"Expected to write {target}, but could not: {error.strerror or error}. Choose another "
            "file with --to."
        ) from error


def dialect_for(target: str, source: Dialect) -> Dialect:
    """How to write a table of the `source`'s: alike, but tabs go with their suffix."""
    suffix = Path(target.removesuffix(".gz")).suffix.lower()
    delimiter = source.delimiter
    if suffix in _TABBED:
        delimiter = "\t"
    elif suffix == ".csv" and delimiter == "\t":
        delimiter = ","
    return Dialect(delimiter, source.line_end, source.byte_order_mark)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces `path`; a device or a pipe there is written to as it is."""
    if path.exists() and not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("wb") as file:
            yield file
    elif path.is_dir():
        raise StoreError(f"Expected a file to write to, but {path} is a folder. Add a name to it.")
    else:
        with replacing(path) as file:
            yield file


@contextmanager
def _errors_of(where: str) -> Iterator[None]:
    """Tell errors of reading `where` in words."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"Expected {where} to be whole gzip data, but it is damaged or cut short: {error}."
        ) from error


def _binary(source: str, stack: ExitStack) -> BinaryIO:
    """The bytes of `source`, unpacked."""
    try:
        if source == STANDARD:
            opened: io.BufferedReader = io.BufferedReader(sys.stdin.buffer)  # type: ignore[arg-type]
            stack.callback(opened.detach)
        else:
            opened = stack.enter_context(Path(source).expanduser().open("rb"))
        is_packed = opened.peek(2)[:2] == _GZIP
    except OSError as error:
        raise DataError(
            f"Expected to read {source}, but could not: {error.strerror or error}."
        ) from error
    if is_packed:
        return stack.enter_context(gzip.open(opened))  # type: ignore[return-value]
    return opened


def _delimiter(header: str, source: str, asked: str | None, expected: Sequence[str]) -> str:
    if asked is None:
        tabbed = Path(source.removesuffix(".gz")).suffix.lower() in _TABBED
        return found_delimiter(header.encode(), "\t" if tabbed else ",", expected)
    name = delimiter_name(asked)
    if name not in DELIMITERS:
        raise UsageError(
            f"Expected --delimiter to be one of {', '.join(DELIMITERS)}, but got {asked!r}."
        )
    return DELIMITERS[str(name)]


def _rows(lines: Iterable[str], delimiter: str, where: str) -> Iterator[list[str]]:
    """Header and rows; blank lines are none, but a missing value of a single column is a row."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width = -1
    try:
        for cells in reader:
            if not "".join(cells).strip() and width != len(cells):
                continue
            if width > 0 and len(cells) != width:
                raise DataError(
                    f"Expected {width} values a row in {where}, as its header has, but line "
                    f"{reader.line_num} has {len(cells)}. Quote values that hold the delimiter."
                )
            width = len(cells)
            yield cells
    except csv.Error as error:
        raise DataError(
            f"Expected delimited text in {where}, but line {reader.line_num} cannot be read: "
            f"{error}. Look for an unclosed quote there or above."
        ) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(where, reader.line_num, error) from error


def _not_utf8(where: str, lines: int, error: UnicodeDecodeError) -> DataError:
    place = f"below line {lines}" if lines else "near its beginning"
    return DataError(
        f"Expected UTF-8 text in {where}, but {place} there is the byte "
        f"0x{error.object[error.start]:02x}: {error.reason}. Save the file as UTF-8."
    )
