"""Files and folders that are complete or absent, never half written, and read without surprises.

What lies in a results folder may come from a stranger. A link there is never followed, neither to
read nor to write, and nothing is read but regular files of a sane size.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from bench.errors import StoreError
from bench.processes import Process

# Temporary names say which process made them, so that it can be seen whether it has ended.
_TEMPORARY = re.compile(
    r"\.(?:tmp|progress)-(?P<place>[0-9a-f]{16})-(?P<pid>\d{1,10})-(?P<started>\d{1,20})-[0-9a-f]{8}"
)
# Whether a process of another place is alive cannot be seen; no write takes this long.
_FOREIGN_SECONDS = 86_400.0

# The most that is written and read of a JSON document: parsed, it may take 25 times its size. A
# plan of 20,000 runs has 5 MiB, a record of 5,000 classes 2 MiB.
MOST_JSON = 2**25
# Of a file of labels and predicted classes, and of one of logits or weights.
MOST_DECISIONS = 2**28
MOST_ARRAYS = 2**31

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` through a temporary file beside it, fsync and rename.

    A link at `path` is replaced; what it leads to is left alone.
    """
    temporary = path.parent / _temporary_name("tmp")
    try:
        write_new(temporary, data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file that takes the place of `path` when the block ends without an error.

    For what is too large for :func:`write_atomically`; a link at `path` is replaced as there.
    """
    temporary = path.parent / _temporary_name("tmp")
    try:
        with os.fdopen(os.open(temporary, _NEW, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Write and fsync a file that is not there yet, readable by whom the umask lets read it."""
    # Modes are left to the kernel: a process can learn its umask only by changing it for all its
    # threads.
    with os.fdopen(os.open(path, _NEW, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `target` when the block ends without an error.

    Its files are to be made with :func:`write_new`. When `target` exists by then, because another
    process finished first, it is left as it is.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_folder(target.parent)
    try:
        yield temporary
        _sync_folder(temporary)
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():
                raise
        _sync_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_folder(parent: Path, kind: str = "tmp") -> Path:
    """Make a folder of this process under a new name; `kind` is ``tmp`` or ``progress``."""
    folder = parent / _temporary_name(kind)
    folder.mkdir()
    return folder


@contextmanager
def open_regular(path: Path, most: int) -> Iterator[BufferedReader]:
    """Open a regular file of at most `most` bytes; a link is not followed.

    Raises
    ------
    FileNotFoundError
        There is none.
    ValueError
        Something else is there, or it is larger.
    StoreError
        It is there, and this user or this machine cannot read it.
    """
    try:
        # A pipe would be waited for without O_NONBLOCK.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(path, error) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path.name} is no regular file")
        if found.st_size > most:
            raise ValueError(f"{path.name} has {found.st_size} bytes, expected at most {most}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        os.close(descriptor)


def read_regular(path: Path, most: int = MOST_JSON) -> bytes:
    """The content of a regular file of at most `most` bytes, see :func:`open_regular`."""
    with open_regular(path, most) as file:
        return file.read(most)


def entries(folder: Path) -> list[Path]:
    """What is in `folder`, by name; nothing where there is no such folder.

    Raises
    ------
    StoreError
        It is there, and this user or this machine cannot read it.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(folder, error) from None


def kind_of(path: Path) -> int | None:
    """The kind of what is at `path`, such as ``stat.S_IFREG``, by itself and not by a link's end.

    None where nothing is.

    Raises
    ------
    StoreError
        This user or this machine cannot tell.
    """
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(path, error) from None


def remove_strays(folder: Path) -> list[Path]:
    """Remove what ended processes left half written in `folder`; gives what was removed.

    What a living process is writing stays, and so does what one of another machine or container
    wrote to within the last day. So does whatever has not in full a name that is given here.
    """
    return [path for path in strays(folder) if _removed(path)]


def strays(folder: Path) -> list[Path]:
    """What :func:`remove_strays` would remove from `folder`."""
    return [path for path in entries(folder) if _is_stray(path)]


def unreadable(path: Path, error: OSError) -> StoreError:
    """What to raise of something that is there and cannot be read: it does not count as absent."""
    return StoreError(
        f"Expected to read {path}{_owner_of(path)}, but got: {error.strerror or error}. Ask for "
        "permission to read it, or choose another folder with --out."
    )


def _refused(path: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return FileNotFoundError(error.errno, f"there is no {path.name}", str(path))
    if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
        return ValueError(f"{path.name} is no regular file")
    return unreadable(path, error)


def _owner_of(path: Path) -> str:
    """Whose `path`, or the folder that hides it, is, as far as that can be seen."""
    import pwd

    for place in (path, *path.parents):
        try:
            number = os.lstat(place).st_uid
        except OSError:
            continue
        try:
            name = pwd.getpwuid(number).pw_name
        except KeyError:
            name = str(number)
        return f", which belongs to {name}" if place == path else f" in {place}, {name}'s"
    return ""


def _temporary_name(kind: str) -> str:
    process = Process.current()
    return f".{kind}-{process.place}-{process.pid}-{process.started}-{secrets.token_hex(4)}"


def _is_stray(path: Path) -> bool:
    found = _TEMPORARY.fullmatch(path.name)
    if found is None:
        return False
    if Process(found["place"], int(found["pid"]), int(found["started"])).has_ended():
        return True
    if found["place"] == Process.current().place:
        return False
    try:
        return time.time() - path.lstat().st_mtime > _FOREIGN_SECONDS
    except OSError:  # renamed meanwhile
        return False


def _removed(path: Path) -> bool:
    """Remove `path`; False where that is not possible, or another process did it first."""
    try:
        if kind_of(path) == stat.S_IFDIR:
            shutil.rmtree(path)
        else:
            path.unlink()
    except (OSError, StoreError):
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
