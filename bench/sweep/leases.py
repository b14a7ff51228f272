"""Who is at which run: two sweeps in one results folder never run the same job at once.

``.leases/JOB_ID.json`` names host and process of the sweep that claimed a job. Its owner touches
it now and then. A lease whose owner has ended is taken over: at once where the owner was a process
of this host, and otherwise when it was not touched for `MISSED` heartbeats, counted here, as
clocks of two hosts may differ.
"""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

from filelock import FileLock

from bench.files import is_alive

HEARTBEAT_SECONDS = 10.0
MISSED = 6


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
        self._held: set[Path] = set()
        self._seen: dict[Path, tuple[int, float]] = {}
        self._ended = Event()
        self._heart = Thread(target=self._beat, name="heartbeat of leases", daemon=True)

    def claim(self, job_id: str) -> bool:
        """Whether the job is now this sweep's; False while another one is at it."""
        path = self._path(job_id)
        if self._is_taken(path):
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        # Two that find the same lease ended must not both take it.
        with FileLock(self._folder / ".lock"):
            if self._is_taken(path):
                return False
            path.write_text(json.dumps(self._owner()))
        self._held.add(path)
        if not self._heart.is_alive():
            self._heart.start()
        return True

    def release(self, job_id: str) -> None:
        """Give a claimed job back, its result stored or not."""
        path = self._path(job_id)
        self._held.discard(path)
        with FileLock(self._folder / ".lock"):
            if _read(path) == self._owner():  # not taken over while this process was suspended
                path.unlink()

    def close(self) -> None:
        """Give everything back."""
        self._ended.set()
        for path in tuple(self._held):
            self.release(path.stem)

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"

    def _owner(self) -> dict[str, Any]:
        return {"host": socket.gethostname(), "pid": os.getpid()}

    def _is_taken(self, path: Path) -> bool:
        """Whether somebody alive has the lease at `path`."""
        if path in self._held:
            return True
        try:
            touched = path.stat().st_mtime_ns
        except FileNotFoundError:
            self._seen.pop(path, None)
            return False
        owner = _read(path)
        # A lease of this very process id that is not held here is of an earlier process.
        if owner == self._owner() or (owner is not None and _has_ended(owner)):
            return False
        now = time.monotonic()
        if self._seen.get(path, (None, now))[0] != touched:
            self._seen[path] = (touched, now)
        return now - self._seen[path][1] < MISSED * self._seconds

    def _beat(self) -> None:
        while not self._ended.wait(self._seconds):
            for path in tuple(self._held):
                try:
                    os.utime(path)
                except OSError:  # given back meanwhile, or the disk is away for a while
                    continue


def _read(path: Path) -> dict[str, Any] | None:
    """Host and process of a lease, or None while it is being written."""
    try:
        owner = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return owner if isinstance(owner, dict) and isinstance(owner.get("pid"), int) else None


def _has_ended(owner: dict[str, Any]) -> bool:
    return owner.get("host") == socket.gethostname() and not is_alive(owner["pid"])
