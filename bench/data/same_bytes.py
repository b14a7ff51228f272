"""Read a data set from the very bytes whose checksum is known, whatever happens to its file."""

from __future__ import annotations

import hashlib
import tempfile
import traceback
from pathlib import Path

import numpy as np

from bench.dataset import Dataset, RawSamples
from bench.errors import BenchError, DataError


def read_bytes_of(dataset: Dataset, path: Path, sha256: str) -> RawSamples:
    """What `dataset` reads from the file at `path`, which must still have the checksum `sha256`.

    A file may be saved again between the moment its checksum is taken and the moment it is read.
    So the reader gets a private copy, which is hashed while it is made; it bears the same name,
    as readers may go by that.

    Raises
    ------
    DataError
        The file changed, cannot be copied, or is not this data set; or its reader raised, or gave
        labels that are no whole numbers.
    """
    digest = hashlib.sha256()
    try:
        work = tempfile.TemporaryDirectory(prefix="ltdd-data-")
    except OSError as error:
        raise _not_copied(path, error) from error
    with work:
        copy = Path(work.name) / path.name
        try:
            with path.open("rb") as file, copy.open("wb") as target:
                while block := file.read(1 << 20):
                    digest.update(block)
                    target.write(block)
        except OSError as error:
            raise _not_copied(path, error) from error
        if digest.hexdigest() != sha256:
            raise DataError(
                f"Expected {path} to stay as it is while it is used (sha256 {sha256[:12]}), but it "
                f"has changed (now {digest.hexdigest()[:12]}). Run the command again once nothing "
                "writes to it."
            )
        try:
            raw = dataset.read(copy)
        except DataError as error:
            # By the time the message is read, the copy is gone.
            raise DataError(str(error).replace(str(copy), str(path))) from error
        except (BenchError, MemoryError):
            raise
        except Exception as error:  # a reader of the user's may raise anything
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise DataError(
                f"Expected the data set's reader to read {path}, but got {type(error).__name__} in "
                f"{Path(last.filename).name}, line {last.lineno}: {error}. Mend the file or the "
                "reader."
            ) from error
    labels = raw.labels
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "biu":
        kind = getattr(labels, "dtype", type(labels).__name__)
        raise DataError(
            f"Expected an array of whole numbers as labels of {path}, but got {kind}. Mend the "
            "data set's reader: number the classes from 0, and give rows without a label -1 and a "
            "reason in `unusable`."
        )
    return raw


def _not_copied(path: Path, error: OSError) -> DataError:
    return DataError(
        f"Expected to copy {path} to {tempfile.gettempdir()} to read it from there, but could "
        f"not: {error}. Make it readable, free space there, or set TMPDIR to another folder."
    )
