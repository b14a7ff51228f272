"""Parquet and Excel files as tables of text: what a CSV file of the same table would hold."""

from __future__ import annotations

import datetime
import io
import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np

from bench.errors import DataError, UnavailableError

from ._files import FileTable
from ._table import NUL_SIGN, check_unpacked_size

# Rows of a Parquet file in memory as values at a time.
_BATCH = 1024


def parse_parquet(data: bytes, where: str, expected: Sequence[str] = ()) -> FileTable:
    """The columns of a Parquet file, but for nested ones, such as lists.

    Raises
    ------
    DataError
        Damaged, oversized, without rows, or one of the `expected` columns is nested.
    UnavailableError
        The package pyarrow is absent.
    """
    try:
        from pyarrow import ArrowException, parquet, types
    except ImportError as error:
        raise _absent("pyarrow", "Parquet") from error
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        schema = file.schema_arrow
        # The type of a dictionary is that of its values.
        kinds = {
            field.name: field.type.value_type if types.is_dictionary(field.type) else field.type
            for field in schema
        }
        plain = [name for name in schema.names if not types.is_nested(kinds[name])]
        if wrong := [name for name in expected if name in kinds and name not in plain]:
            raise DataError(
                f"Expected text, numbers or dates in column {wrong[0]!r} of {where}, but it is "
                f"nested: {kinds[wrong[0]]}. Make a column of single values out of it."
            )
        _refuse_repeated(schema.names, where)
        batches = file.iter_batches(_BATCH, columns=plain, use_threads=False)
        rows = chain.from_iterable(
            zip(*(_values(batch[name], kinds[name]) for name in plain), strict=True)
            for batch in batches
        )
        return _table(plain, rows, where)
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"Expected {where} to be a whole Parquet file, but it cannot be read: {error}. Fetch "
            "it again."
        ) from error


def _values(column: Any, kind: Any) -> list[Any]:
    """The values of a column of this type.

    Numbers of 16 and 32 bits are the shortest decimals that name them, as CSV files have them: one
    of 32 bits that was written as 0.1 is above 0.1 once its bits are read as one of 64.
    """
    from pyarrow import types

    values: list[Any] = column.to_pylist()
    narrow = {16: np.float16, 32: np.float32}
    if not types.is_floating(kind) or kind.bit_width not in narrow:
        return values
    as_written = narrow[kind.bit_width]
    return [None if value is None else float(str(as_written(value))) for value in values]


def parse_excel(data: bytes, where: str, sheet: str | None = None) -> FileTable:
    """The rows of a sheet below the first, which holds the names of the columns.

    Formulas are the values that were last stored for them; errors, such as #N/A, are missing. Rows
    without any value are left out at the end of the sheet, columns without any at its right.

    Raises
    ------
    DataError
        Damaged, encrypted or oversized, no such sheet, no rows, or a value beside the columns.
    UnavailableError
        The package openpyxl is absent.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise _absent("openpyxl", "Excel") from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_unpacked_size(sum(info.file_size for info in archive.infolist()), where)
        # Read row by row, so that a cell in the last row of a sheet takes no memory for all others.
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        names = [found.title for found in book.worksheets]
        if not names or sheet not in (None, *names):
            raise DataError(
                f"Expected a sheet {sheet!r} in {where}, but got {', '.join(map(repr, names))}. "
                "Name one of these with --sheet."
                if names
                else f"Expected a sheet of cells in {where}, but got none."
            )
        chosen = book[sheet or names[0]]
        # What the file says of its size may be wrong.
        chosen.reset_dimensions()
        rows = (tuple(map(_without_error, cells)) for cells in chosen.iter_rows())
        header = _trimmed(list(map(_text, next(rows, ()))))
        return _table(header, rows, f"sheet {chosen.title!r} of {where}")
    except (DataError, UnavailableError, MemoryError):
        raise
    # Of a damaged file, openpyxl raises whatever it stumbles over.
    except Exception as error:
        raise DataError(
            f"Expected {where} to be a whole Excel file (.xlsx) without a password, but it cannot "
            f"be read: {error}. Save it again."
        ) from error


def _without_error(cell: Any) -> Any:
    return None if cell.data_type == "e" else cell.value


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]], where: str) -> FileTable:
    """Rows of values as columns of text.

    Raises
    ------
    DataError
        The header or a row cannot be used, there are none, or they are too many.
    """
    if not header:
        raise DataError(
            f"Expected a header and at least one row in {where}, but got an empty file."
        )
    _refuse_repeated(header, where)
    columns: list[list[str]] = [[] for _ in header]
    size = used = 0
    for number, values in enumerate(rows):
        texts = [_text(value) for value in values]
        if any(texts[len(header) :]):
            raise DataError(
                f"Expected values in the {len(header)} columns of {where} that have a name, but "
                f"row {number}, counted from 0 below the header, has another. Name its column."
            )
        size += sum(map(len, texts)) + len(header)
        check_unpacked_size(size, where)
        texts += [""] * (len(header) - len(texts))
        for column, text in zip(columns, texts, strict=False):
            column.append(text)
        if any(texts):
            used = number + 1
    if not used:
        raise DataError(
            f"Expected a header and at least one row in {where}, but got only a header."
        )
    return FileTable(
        where, {name: column[:used] for name, column in zip(header, columns, strict=True)}
    )


def _trimmed(header: list[str]) -> list[str]:
    """The header without the empty names at its end."""
    while header and not header[-1]:
        header.pop()
    return header


def _refuse_repeated(header: Sequence[str], where: str) -> None:
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError(
            f"Expected every column name once in the header of {where}, but got "
            f"{', '.join(map(repr, repeated))} more than once. Rename all but one."
        )


def _text(value: Any) -> str:
    """A value as a CSV file has it; nothing where it is missing.

    Examples
    --------
    >>> [_text(value) for value in (None, math.nan, 1, 1.0, 0.25, True, "CCO")]
    ['', '', '1', '1', '0.25', 'True', 'CCO']
    >>> _text(datetime.datetime(2020, 1, 31)), _text(datetime.datetime(2020, 1, 31, 8, 30))
    ('2020-01-31', '2020-01-31 08:30:00')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return value.replace("\0", NUL_SIGN)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    return str(value)


def _absent(package: str, kind: str) -> UnavailableError:
    return UnavailableError(
        f"Expected the package {package}, which reads {kind} files, but it is absent. Install it: "
        f"pip install {package}, or pip install '.[files]' for all kinds of files; or save the "
        "table as CSV."
    )
