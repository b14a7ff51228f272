"""Standard output and standard error, made safe to print to."""

from __future__ import annotations

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


def is_broken(stream: TextIO | None) -> bool:
    """Whether the other end of `stream` is closed, or the disk behind it is full.

    A broken one leads nowhere from then on, so that nothing stumbles over it again.
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
