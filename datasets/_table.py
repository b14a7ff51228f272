"""Delimited text files, read strictly: what does not fit is an error that names its place."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from bench.errors import DataError, nearest

SUFFIXES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
"""What stands between values in a file whose name ends so."""

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
"""What may stand between the values of a row, by the name under which it can be asked for."""

LARGEST_BYTES = 1 << 30
"""Most bytes taken out of an archive, some ten million molecules: it may hold a thousand times
its own size."""

# Small, as some kinds of archive give ten thousand times what they are asked to read.
_BLOCK = 1 << 12

_SHOWN_COLUMNS = 20

# Stands for a NUL character, which neither RDKit nor older csv modules can carry.
NUL_SIGN = "\N{SYMBOL FOR NULL}"


@dataclass(frozen=True)
class Table:
    """M rows of text.

    Attributes
    ----------
    where : str
        The file, as messages name it.
    columns : dict
        Column name to its M texts.
    """

    where: str
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def column(self, *names: str) -> list[str]:
        """The first column of these names that is there.

        Raises
        ------
        DataError
            None is; the message lists the columns found and the nearest of them.
        """
        for name in names:
            if name in self.columns:
                return self.columns[name]
        near = [repr(name) for name in nearest(names[0], self.columns)]
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        others = [name for name, sign in DELIMITERS.items() if sign in next(iter(self.columns))]
        if len(self.columns) == 1 and others:
            hint = f" Is another delimiter meant, such as {' or '.join(others)}?"
        columns = list(map(repr, self.columns))
        shown = ", ".join(columns[:_SHOWN_COLUMNS])
        if len(columns) > _SHOWN_COLUMNS:
            shown += f", ... ({len(columns)} in all)"
        raise DataError(
            f"Expected a column {' or '.join(map(repr, names))} in {self.where}, but got the "
            f"columns {shown}.{hint}"
        )

    def numbers(self, *names: str) -> np.ndarray:
        """A column as float64, shape (M,); every value must be a finite number."""
        values = np.empty(len(self), np.float64)
        for row, text in enumerate(self.column(*names)):
            try:
                values[row] = float(text)
            except ValueError:
                values[row] = math.nan
            if not math.isfinite(values[row]):
                raise DataError(
                    f"Expected numbers in column {' or '.join(map(repr, names))} of {self.where}, "
                    f"but got {text!r} in row {row}, counted from 0 below the header."
                )
        return values

    def labels(self, *names: str) -> np.ndarray:
        """A column as int64, shape (M,); ``1`` and ``1.0`` are the same whole number."""
        values = self.numbers(*names)
        broken = np.flatnonzero((values != np.floor(values)) | (np.abs(values) > 1e9))
        if len(broken):
            raise DataError(
                f"Expected whole numbers as labels in {self.where}, but got {values[broken[0]]:g} "
                f"in row {broken[0]}, counted from 0 below the header."
            )
        return values.astype(np.int64)


def delimiter_name(text: object) -> object:
    """The name in :data:`DELIMITERS` of a delimiter given as it is; anything else unchanged."""
    return next((name for name, sign in DELIMITERS.items() if sign == text), text)


def read_bytes(path: Path) -> bytes:
    """All bytes of a file, unpacked where its name ends in ``.gz``.

    Raises
    ------
    DataError
        It cannot be read, or is damaged or oversized gzip.
    """
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                return unpack(stream, str(path))
        return path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"Expected {path} to be a whole gzip file, but it is damaged or cut short: {error}. "
            "Fetch it again."
        ) from error
    except OSError as error:
        raise DataError(f"Expected to read {path}, but could not: {error}.") from error


def found_delimiter(data: bytes, usual: str, expected: Sequence[str]) -> str:
    """What splits the header into the expected columns; failing that, into more than one."""
    text = data.removeprefix(codecs.BOM_UTF8).lstrip(b" \r\n")
    line = re.split(rb"[\r\n]", text, maxsplit=1)[0].decode("utf-8", "replace")
    headers = {}
    for delimiter in dict.fromkeys([usual, *DELIMITERS.values()]):
        try:
            headers[delimiter] = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:  # parse_table says it better
            return usual
    for delimiter, names in headers.items():
        if expected and set(expected) <= set(names):
            return delimiter
    # The largest number of columns; `max` takes the first, the usual one, where they are equal.
    found = max(headers, key=lambda delimiter: len(headers[delimiter]))
    return usual if len(headers[usual]) > 1 else found


def unpack(stream: IO[bytes] | gzip.GzipFile, where: str) -> bytes:
    """All bytes of an open archive member.

    Raises
    ------
    DataError
        They are more than :data:`LARGEST_BYTES`, which no memory is then spent on.
    """
    data = bytearray()
    while block := stream.read(_BLOCK):
        data += block
        check_unpacked_size(len(data), where)
    return bytes(data)


def check_unpacked_size(size: int, where: str) -> None:
    """Refuse more than :data:`LARGEST_BYTES` out of the archive `where`.

    Raises
    ------
    DataError
        It is more.
    """
    if size > LARGEST_BYTES:
        raise DataError(
            f"Expected at most {LARGEST_BYTES:,} bytes in {where} once unpacked, but got more. "
            "Fetch it again; a table of your own that is so large must not be compressed."
        )


def decoded(data: bytes, where: str) -> str:
    """UTF-8 text without a byte order mark, and with a sign in the place of NUL.

    Raises
    ------
    DataError
        It is not UTF-8.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"Expected UTF-8 text in {where}, but byte {error.start} (counted from 0) is "
            f"0x{data[error.start]:02x}: {error.reason}. Save the file as UTF-8."
        ) from error
    return text.removeprefix("\ufeff").replace("\0", NUL_SIGN)


def parse_table(data: bytes, where: str, delimiter: str = ",") -> Table:
    """The rows below the header of UTF-8 text, with or without a byte order mark; any line ends.

    Quotes are as in RFC 4180; blank lines are no rows.

    Raises
    ------
    DataError
        Not UTF-8, repeated column names, a row of the wrong length, no rows.
    """
    text = decoded(data, where)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        for cells in reader:
            width = len(rows[0]) if rows else 0
            # A blank row as wide as the table keeps its number: the data set leaves it out.
            if not "".join(cells).strip() and not 1 < width == len(cells):
                continue
            _check_width(cells, rows, reader.line_num, where)
            rows.append(cells)
    except csv.Error as error:
        raise DataError(
            f"Expected delimited text in {where}, but line {reader.line_num} cannot be read: "
            f"{error}. Look for an unclosed quote there or above."
        ) from error
    if len(rows) < 2:
        raise DataError(
            f"Expected a header and at least one row in {where}, but got "
            f"{'only a header' if rows else 'an empty file'}."
        )
    header, *body = rows
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError(
            f"Expected every column name once in the header of {where}, but got "
            f"{', '.join(map(repr, repeated))} more than once. Rename all but one."
        )
    return Table(where, dict(zip(header, map(list, zip(*body, strict=True)), strict=True)))


def _check_width(cells: list[str], rows: list[list[str]], line: int, where: str) -> None:
    if rows and len(cells) != len(rows[0]):
        raise DataError(
            f"Expected {len(rows[0])} values a row in {where}, as its header has, but line {line} "
            f"has {len(cells)}. Quote values that hold the delimiter."
        )


def check_class_sizes(labels: np.ndarray, expected: dict[int, int], where: str) -> None:
    """Refuse labels whose classes are not of the sizes that the data set is known to have.

    Raises
    ------
    DataError
        With the expected and the found number of rows of every class.
    """
    got = class_sizes(labels)
    if got != expected:
        raise DataError(
            f"Expected {describe_sizes(expected)} in {where}, but got {describe_sizes(got)}. "
            "The file is incomplete, changed or another data set: fetch it again."
        )


def class_sizes(labels: np.ndarray) -> dict[int, int]:
    """Label to its number of rows, in order of the label."""
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def describe_sizes(sizes: dict[int, int]) -> str:
    """Class sizes as a message prints them; of many classes only the first ten."""
    shown = [f"{label}: {count:,}" for label, count in list(sizes.items())[:10]]
    if len(sizes) > len(shown):
        shown.append("...")
    return f"{sum(sizes.values()):,} rows (label {', '.join(shown)})"
