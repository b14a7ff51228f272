"""Standard output and standard error, made safe to print to."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from typing import TextIO

import click

from bench.plain_text import log_visibly, visible


def prepare_streams() -> None:
    """Make everything that this process prints safe: call it once, before anything is printed.

    What the terminal's encoding lacks is replaced by its code, as a name in Greek must not end a
    sweep. Log records and Python's warnings are made visible as all other text is.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    log_visibly()
    warnings.formatwarning = _format_warning


_as_python_does = warnings.formatwarning


def _format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return visible(_as_python_does(message, category, filename, lineno, line))


def show_error(text: str) -> None:
    """Print why a command ends, to standard error; where that is broken, nobody can be told."""
    try:
        click.echo(visible(text), err=True)
    except OSError:
        is_broken(sys.stderr)


# What printing ends with: the other end is closed, or the disk behind it is full or damaged.
_OF_STREAMS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def may_be_of_stream(error: OSError) -> bool:
    """Whether printing may have raised `error`: one that names a file is of that file."""
    return error.filename is None and error.errno in _OF_STREAMS


def is_broken(stream: TextIO | None) -> bool:
    """Whether the other end of `stream` is closed, or the disk behind it is full.

    Only an empty line shows that, so ask only where something went wrong in printing. A broken one
    leads nowhere from then on, so that nothing stumbles over it again.
    """
    if stream is None:
        return False
    try:
        print(file=stream, flush=True)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        return True
    return False
