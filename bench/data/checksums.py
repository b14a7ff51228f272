"""Checksums of data files, and the record kept beside files that were downloaded."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

from bench.errors import DataError

RECORD_NAME = "checksums.json"


def sha256_of(path: Path) -> str:
    """SHA-256 of the bytes of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def recorded_sha256(folder: Path, filename: str) -> str | None:
    """The checksum written down when `filename` was first downloaded into `folder`.

    Raises
    ------
    DataError
        The record is there but cannot be read.
    """
    return _read_record(folder).get(filename)


def record_sha256(folder: Path, filename: str, sha256: str) -> None:
    """Write down the checksum of a download; the record is replaced as a whole or not at all."""
    sums = _read_record(folder) | {filename: sha256}
    text = json.dumps(sums, indent=2, sort_keys=True) + "\n"
    with tempfile.TemporaryDirectory(prefix=".checksums-", dir=folder) as work:
        fresh = Path(work) / RECORD_NAME
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, folder / RECORD_NAME)


def _read_record(folder: Path) -> dict[str, str]:
    path = folder / RECORD_NAME
    try:
        sums = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(
            f"Expected file names and their sha256 in {path}, but it cannot be read: {error}. "
            "Mend or delete it; deleting forgets which downloads were checked."
        ) from error
    if not isinstance(sums, dict) or not all(isinstance(value, str) for value in sums.values()):
        raise DataError(
            f"Expected a JSON object of file names and their sha256 in {path}, but got something "
            "else. Mend or delete it; deleting forgets which downloads were checked."
        )
    return sums
