"""Writes the files of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.errors import StoreError
from bench.files import write_atomically
from bench.report.model.cells import Table
from bench.report.writers.csv_files import runs_csv, table2_csv
from bench.report.writers.encoders import FILES, encoder_texts
from bench.report.writers.markdown import markdown


def write_report(folder: Path, table: Table) -> list[Path]:
    """Write ``table2.md``, ``table2.csv`` and ``runs.csv`` into `folder`, which is made if absent.

    A table of several methods with several encoders has ``encoders.md`` and ``encoders.csv``, too.
    Equal tables give equal bytes.

    Returns
    -------
    list of Path
        The files, the one to read first in front.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    texts = {
        "table2.md": markdown(table),
        "table2.csv": table2_csv(table),
        "runs.csv": runs_csv(table),
        **encoder_texts(table),
    }
    # Those of an earlier plan would stand beside tables that know nothing of them.
    write_files(folder, texts, gone=[name for name in FILES if name not in texts])
    return [folder / name for name in texts]


def write_files(folder: Path, files: Mapping[str, str | bytes], gone: Iterable[str] = ()) -> None:
    """Write files of a report by name into `folder`, which is made if absent; remove those `gone`.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            whole = content.encode() if isinstance(content, str) else content
            write_atomically(folder / name, whole)
        for name in gone:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"Expected to write {' and '.join(files) if len(files) < 3 else 'the report'} to "
            f"{folder}, but got: {error}. Free the place or choose another folder."
        ) from error
