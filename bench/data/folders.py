"""The folders in which data files are looked for, and to which they are downloaded."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench.checkout import CHECKOUT
from bench.data.cache import default_folder
from bench.errors import DataError

DATA_DIR_VARIABLE = "LTDD_DATA_DIR"


def search_folders(data_dir: Path | None) -> list[tuple[str, Path]]:
    """What each folder is called and where it is, in the order in which they are looked in."""
    if CHECKOUT is None:
        named = download_folders(data_dir)
        return [*named[:-1], ("data", Path("data")), named[-1]]
    return [*download_folders(data_dir), ("shared/data", CHECKOUT.parent / "shared" / "data")]


def is_named(origin: str) -> bool:
    """Whether the user named the folder, rather than its being looked in by default."""
    return origin in ("--data-dir", DATA_DIR_VARIABLE)


def download_folders(data_dir: Path | None) -> list[tuple[str, Path]]:
    """Those of the folders that downloads may be put into, the preferred first.

    The last one is that of the checkout, or of the user where the package is installed.
    """
    folders = [("data", CHECKOUT / "data")] if CHECKOUT else [("cache", default_folder() / "data")]
    named = os.environ.get(DATA_DIR_VARIABLE)
    if named:
        folders.insert(0, (DATA_DIR_VARIABLE, Path(named)))
    if data_dir is not None:
        folders.insert(0, ("--data-dir", data_dir))
    return folders


def writable_folder(data_dir: Path | None) -> Path:
    """The first download folder that can be written, made where it is absent.

    Raises
    ------
    DataError
        None can be; the message says why not.
    """
    reasons = []
    for _, folder in download_folders(data_dir):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Only a trial tells: access bits lie on network drives and to the superuser.
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            reasons.append(str(error))
    raise DataError(
        f"Expected a data folder that can be written, but found none: {'; '.join(reasons)}. "
        f"Name one with --data-dir or {DATA_DIR_VARIABLE}."
    )
