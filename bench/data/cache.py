"""Named arrays on disk, found again by a fingerprint of everything they depend on.

An entry is a folder with one ``.npy`` file an array and a ``meta.json``. It is written under
another name, flushed and renamed, so it is whole or absent. Every file's checksum is verified at
opening; what does not fit is built again. Nothing is ever unpickled.

The checksums stand beside the arrays, so they show damage, not intent: whoever can write an entry
decides what everybody trains on. Hence an entry must belong to this user, to root, or to the owner
of this code, and nobody else may be able to write to it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, ValidationError

from bench.checkout import CHECKOUT
from bench.errors import DataError

SCHEMA = 1

TRUST_VARIABLE = "LTDD_TRUST_CACHE"

_META = "meta.json"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_log = logging.getLogger(__name__)


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    shape: tuple[int, ...]
    dtype: str
    bytes: int
    sha256: str


class _Meta(BaseModel):
    """What ``meta.json`` holds; `key` is there to be read by people and compared, too."""

    model_config = ConfigDict(strict=True, extra="forbid")

    schema_version: int
    kind: str
    key: dict[str, Any]
    files: dict[str, _File]


class _UnusableError(Exception):
    """Why an entry that exists cannot be used."""


def trusts_others() -> bool:
    """Whether the user said that whoever fills the cache is trusted."""
    return os.environ.get(TRUST_VARIABLE) == "1"


def default_folder() -> Path:
    """``LTDD_CACHE_DIR`` if it is set, else ``.cache`` of the checkout or the user's cache."""
    chosen = os.environ.get("LTDD_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return user_cache_path("ltdd-bench") if CHECKOUT is None else CHECKOUT / ".cache"


def fingerprint(key: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of `key` as canonical JSON."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def open_or_build(
    folder: Path,
    kind: str,
    key: Mapping[str, Any],
    build: Callable[[], Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Open the arrays cached for `key`, or build and keep them.

    Of several processes that need an entry, one builds it while the others wait. An entry that
    is damaged is built again with one warning. Where the folder cannot be written, the arrays
    stay in memory, with one warning.

    Parameters
    ----------
    folder : Path
        Made when it is absent.
    kind : str
        First part of the entry's folder name, such as ``"graphs-hiv"``.
    key : mapping of str to JSON values
        Everything the arrays depend on, as ``json.loads`` would return it. When an entry of this
        kind with another key is there, the parts that changed are logged.
    build : callable
        Makes the arrays by name. What it raises is passed on, and nothing is kept.

    Returns
    -------
    dict of str to ndarray
        Read-only memory maps, or what `build` returned where nothing could be written.
    """
    digest = fingerprint(key)
    entry = _entry(folder, kind, digest)
    if entry.is_dir():
        try:
            return _open(entry, digest)
        except (_UnusableError, OSError):
            pass  # looked at again, and reported, by whoever holds the lock
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / f"{entry.name}.lock").acquire()
    except OSError as error:
        return _in_memory(folder, error, dict(build()))
    with held:
        if entry.exists():
            try:
                return _open(entry, digest)
            except (_UnusableError, OSError) as problem:
                _log.warning("The cache entry %s is built again: %s.", entry, problem)
        else:
            _log_what_changed(folder, kind, key)
        arrays = dict(build())
        try:
            _write(entry, kind, key, arrays)
        except OSError as error:
            return _in_memory(folder, error, arrays)
        return _open(entry, digest)


def _entry(folder: Path, kind: str, digest: str) -> Path:
    return folder / f"{kind}-{digest[:16]}"


def _in_memory(
    folder: Path, error: OSError, arrays: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    _log.warning(
        "The cache folder %s cannot be written (%s): the data stays in memory and is made again "
        "by the next run. Set LTDD_CACHE_DIR to a folder that can be written and has space.",
        folder,
        error,
    )
    return arrays


def _open(entry: Path, digest: str) -> dict[str, np.ndarray]:
    """Open an entry after checking every byte of it."""
    for path in (entry, *entry.iterdir()):
        _check_owner(path)
    try:
        meta = _Meta.model_validate_json((entry / _META).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise _UnusableError(f"{_META} cannot be read ({where}: {first['msg']})") from error
    if meta.schema_version != SCHEMA:
        raise _UnusableError(f"expected schema {SCHEMA}, but got {meta.schema_version}")
    if fingerprint(meta.key) != digest:
        raise _UnusableError(f"{_META} is of another entry")
    return {name: _open_array(entry / f"{name}.npy", file) for name, file in meta.files.items()}


def _trusted_owners() -> set[int]:
    """Numbers of the users who may decide what this process does: they can anyway."""
    return {os.geteuid(), 0, Path(__file__).stat().st_uid}


def _check_owner(path: Path) -> None:
    """Refuse what another user wrote, or could have written to.

    Raises
    ------
    _UnusableError
        It is ours, but others may write to it; it is to be built again.
    DataError
        It belongs to another user, whose entry is not ours to replace.
    """
    if trusts_others() or not hasattr(os, "geteuid"):
        return
    found = path.stat()
    if found.st_uid not in _trusted_owners():
        raise DataError(
            f"Expected the cache entry {path} to belong to you, to root or to the owner of this "
            f"code, but it belongs to the user with the number {found.st_uid}, who could decide "
            "what you train on. Set LTDD_CACHE_DIR to a folder of your own, or, where you trust "
            f"whoever fills this one, {TRUST_VARIABLE}=1."
        )
    if found.st_mode & _OTHERS_WRITE:
        raise _UnusableError(f"others may write to {path.name}")


def _open_array(path: Path, file: _File) -> np.ndarray:
    size = path.stat().st_size
    if size != file.bytes:
        raise _UnusableError(f"expected {file.bytes} bytes in {path.name}, but got {size}")
    if _sha256(path) != file.sha256:
        raise _UnusableError(f"the checksum of {path.name} does not fit")
    try:
        # As a plain array on the same pages: every operation on a memmap runs Python code.
        array = np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except ValueError as error:
        raise _UnusableError(f"{path.name} holds no plain array ({error})") from error
    if (array.dtype.str, array.shape) != (file.dtype, file.shape):
        raise _UnusableError(
            f"expected {file.dtype} {file.shape} in {path.name}, "
            f"but got {array.dtype.str} {array.shape}"
        )
    return array


def _write(
    entry: Path, kind: str, key: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    # One name is enough, as only the holder of the entry's lock comes here; what a killed process
    # left under it goes away first.
    unfinished = entry.with_name(f".{entry.name}.unfinished")
    _remove(unfinished)
    try:
        unfinished.mkdir(mode=0o755)
        files = {}
        for name, array in arrays.items():
            path = unfinished / f"{name}.npy"
            with path.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
                _flush(stream)
            path.chmod(path.stat().st_mode & ~_OTHERS_WRITE)
            files[name] = _File(
                shape=array.shape,
                dtype=array.dtype.str,
                bytes=path.stat().st_size,
                sha256=_sha256(path),
            )
        meta = _Meta(schema_version=SCHEMA, kind=kind, key=dict(key), files=files)
        with (unfinished / _META).open("wb") as stream:
            stream.write(meta.model_dump_json(indent=1).encode())
            _flush(stream)
        (unfinished / _META).chmod((unfinished / _META).stat().st_mode & ~_OTHERS_WRITE)
        _remove(entry)
        unfinished.rename(entry)
    except OSError:
        _remove(unfinished)
        raise


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _log_what_changed(folder: Path, kind: str, key: Mapping[str, Any]) -> None:
    """Name the parts in which `key` differs from the entry of this kind most like it."""
    changes = []
    for path in folder.glob(f"{kind}-{'[0-9a-f]' * 16}/{_META}"):
        try:
            old = _Meta.model_validate_json(path.read_bytes()).key
        except (ValidationError, OSError):
            continue  # it is reported when it is asked for
        changes.append(sorted(k for k in {*old, *key} if old.get(k) != key.get(k)))
    if changes:
        nearest = min(changes, key=lambda parts: (len(parts), parts))
        _log.info("%s is built: %s changed since it was cached.", kind, ", ".join(nearest))
    else:
        _log.info("%s is built: it was not cached yet.", kind)
