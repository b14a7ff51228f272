"""Files and folders that are complete or absent, never half written."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Temporary names carry process and host, so that it can be seen whose they are.
_TEMPORARY = re.compile(r"\.(?:tmp|progress)-(?P<pid>\d+)-(?P<host>.+)-[a-z0-9_]{8}")
# Whether a process of another host is alive cannot be seen; no write takes this long.
_FOREIGN_SECONDS = 86_400.0


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` through a temporary file beside it, fsync and rename."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=temporary_prefix())
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; results are for reading by others too.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `target` when the block ends without an error.

    When `target` exists by then, because another process finished first, it is left as it is.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=temporary_prefix()))
    try:
        yield temporary
        for file in temporary.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        _sync_folder(temporary)
        temporary.chmod(0o777 & ~_umask())
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():
                raise
        _sync_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_prefix(kind: str = "tmp") -> str:
    """First part of a temporary name of this process; `kind` is ``tmp`` or ``progress``."""
    return f".{kind}-{os.getpid()}-{socket.gethostname()}-"


def remove_strays(folder: Path) -> list[Path]:
    """Remove what ended processes left half written in `folder`; gives what was removed.

    What a living process of this host is writing stays, and what another host wrote to within
    the last day.
    """
    found = [path for path in _entries(folder) if path.name.startswith((".tmp-", ".progress-"))]
    return [path for path in found if _is_stray(path) and _removed(path)]


def is_alive(pid: int) -> bool:
    """Whether a process of this host has this id and has not ended."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # gone, or no number that a process can have
        return False
    except PermissionError:  # somebody else's
        return True
    try:
        # In a container that nobody tidies, an ended process keeps its id as a zombie.
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    except OSError:  # no /proc here, or it ended just now
        return True


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_stray(path: Path) -> bool:
    owner = _TEMPORARY.fullmatch(path.name)
    if owner is not None and owner["host"] == socket.gethostname():
        return not is_alive(int(owner["pid"]))
    try:
        return time.time() - path.stat().st_mtime > _FOREIGN_SECONDS
    except FileNotFoundError:  # renamed meanwhile
        return False


def _removed(path: Path) -> bool:
    """Remove `path`; False where that is not possible, or another process did it first."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
