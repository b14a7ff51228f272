"""Writes the files of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.files import write_atomically
from bench.report.cells import Leaders
from bench.report.csv_files import runs_csv, table2_csv
from bench.report.markdown import markdown
from bench.report.table2 import table2


def write_report(
    folder: Path,
    plan: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    failures: Mapping[str, Mapping[str, Any]],
    leaders: Mapping[tuple[str, str, str], Leaders] | None = None,
) -> list[Path]:
    """Write ``table2.md``, ``table2.csv`` and ``runs.csv`` into `folder`, which is made if absent.

    The arguments are those of :func:`bench.report.table2.table2`. Equal arguments give equal
    bytes. Nothing is written when the records are refused.

    Returns
    -------
    list of Path
        The files, the one to read first in front.

    Raises
    ------
    StoreError
        The records cannot stand in one table, or the folder cannot be written.
    """
    table = table2(plan, records, failures, leaders)
    texts = {
        "table2.md": markdown(table),
        "table2.csv": table2_csv(table),
        "runs.csv": runs_csv(table),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(folder / name, text.encode())
    except OSError as error:
        raise StoreError(
            f"Expected to write the report to {folder}, but got: {error}. Free the place or choose "
            "another folder."
        ) from error
    return [folder / name for name in texts]
