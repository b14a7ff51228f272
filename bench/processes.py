"""Which process is meant, and whether it has ended, as one of all that there ever were.

A process id means something only to the processes of one start of one machine that share its
process namespace, and only until it is given out again. Two containers, or two machines, may have
one host name; so a name says nothing.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from functools import cache
from pathlib import Path
from typing import NamedTuple

# The field of /proc/PID/stat, counted from the state, that holds when the process started.
_STARTED = 19


class Process(NamedTuple):
    """One process.

    Attributes
    ----------
    place : str
        16 hexadecimal digits for one start of a machine and one process namespace of it.
    pid : int
        Its number there.
    started : int
        When it started, in ticks since its machine did.
    """

    place: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> Process:
        """The process that asks."""
        pid = os.getpid()
        return cls(_place(), pid, _started(pid) or 0)

    def has_ended(self) -> bool:
        """Whether it is certain that this process is no more: never of another place's."""
        return self.place == _place() and _started(self.pid) not in (self.started, None)


@cache
def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        namespace = os.stat("/proc/self/ns/pid")
    except OSError:
        # Nothing here tells namespaces apart: every process is a place of its own, and another
        # one's end is seen by its silence alone.
        return secrets.token_hex(8)
    text = f"{boot.strip()} {namespace.st_dev} {namespace.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _started(pid: int) -> int | None:
    """When the process of this id started; 0 where there is none, None where nobody can tell."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # gone, or no number that a process can have
        return 0
    except PermissionError:  # somebody else's
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # no /proc here, or it ended just now
        return None
    # In a container that nobody tidies, an ended process keeps its id as a zombie.
    return 0 if fields[0] == "Z" else int(fields[_STARTED])
