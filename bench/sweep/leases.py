"""Who is at which run: two sweeps in one results folder never run the same job at once.

``.leases/JOB_ID.json`` names the sweep that claimed a job: the process it is in, see
:mod:`bench.processes`, and a token of its own. Its owner touches it now and then. A lease whose
owner has ended is taken over: at once where the process can be seen to have ended, and otherwise
when it was not touched for `MISSED` heartbeats, counted here, as clocks of two hosts may differ.
So are leases of earlier versions, which name no process that can be recognised.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from filelock import FileLock

from bench.errors import StoreError
from bench.files import read_regular, write_atomically
from bench.processes import Process

HEARTBEAT_SECONDS = 10.0
MISSED = 6

_MOST_BYTES = 1000


class Leases:
    """The leases of one sweep.

    Parameters
    ----------
    folder : Path
        Made with the first claim.
    heartbeat_seconds : float
    """

    def __init__(self, folder: Path, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._folder = folder
        self._seconds = heartbeat_seconds
        self._owner = {**Process.current()._asdict(), "token": secrets.token_hex(16)}
        self._held: set[Path] = set()
        self._seen: dict[Path, tuple[int, float]] = {}
        self._ended = Event()
        self._heart = Thread(target=self._beat, name="heartbeat of leases", daemon=True)

    def claim(self, job_id: str) -> bool:
        """Whether the job is now this sweep's; False while another one is at it.

        Raises
        ------
        StoreError
            Leases cannot be written or read there.
        """
        path = self._path(job_id)
        if self._is_taken(path):
            return False
        # Two that find the same lease ended must not both take it.
        with _locked(self._folder):
            if self._is_taken(path):
                return False
            write_atomically(path, json.dumps(self._owner).encode())
        self._held.add(path)
        if not self._heart.is_alive():
            self._heart.start()
        return True

    def release(self, job_id: str) -> None:
        """Give a claimed job back, its result stored or not."""
        path = self._path(job_id)
        self._held.discard(path)
        with _locked(self._folder):
            if _read(path) == self._owner:  # not taken over while this process was suspended
                path.unlink()

    def close(self) -> None:
        """Give everything back."""
        self._ended.set()
        for path in tuple(self._held):
            self.release(path.stem)

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"

    def _is_taken(self, path: Path) -> bool:
        """Whether somebody alive has the lease at `path`."""
        if path in self._held:
            return True
        try:
            touched = path.lstat().st_mtime_ns
        except OSError:  # there is none, or the lock tells what is wrong with the folder
            self._seen.pop(path, None)
            return False
        if _is_of_ended(path):
            return False
        now = time.monotonic()
        if self._seen.get(path, (None, now))[0] != touched:
            self._seen[path] = (touched, now)
        return now - self._seen[path][1] < MISSED * self._seconds

    def _beat(self) -> None:
        while not self._ended.wait(self._seconds):
            for path in tuple(self._held):
                try:
                    os.utime(path, follow_symlinks=False)
                except OSError:  # given back meanwhile, or the disk is away for a while
                    continue


def remove_ended(folder: Path) -> None:
    """Remove the leases in `folder` of processes that can be seen to have ended.

    Raises
    ------
    StoreError
        Leases cannot be written there.
    """
    if not any(map(_is_of_ended, folder.glob("*.json"))):
        return
    with _locked(folder):  # somebody may be taking one over
        for path in filter(_is_of_ended, folder.glob("*.json")):
            path.unlink()


def _is_of_ended(path: Path) -> bool:
    owner = _read(path)
    return owner is not None and _has_ended(owner)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            yield
    except OSError as error:
        raise StoreError(
            f"Expected a folder for the leases of runs that can be written at {folder}, but got: "
            f"{error.strerror or error}. Remove what is there, or choose another results folder "
            "with --out."
        ) from None


def _read(path: Path) -> dict[str, Any] | None:
    """What a lease says, or None where it is none or cannot be read."""
    try:
        lease = json.loads(read_regular(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError, StoreError):
        return None
    return lease if isinstance(lease, dict) else None


def _has_ended(lease: dict[str, Any]) -> bool:
    """Whether a lease is of a process that can be seen to have ended."""
    place, pid, started = (lease.get(field) for field in Process._fields)
    if not (isinstance(place, str) and isinstance(pid, int) and isinstance(started, int)):
        return False
    return Process(place, pid, started).has_ended()
