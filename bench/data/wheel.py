"""Fetch a Python wheel from the package index as a plain file, without installing it."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.errors import DataError

TIMEOUT_SECONDS = 600.0

# No dependencies, nothing built, whatever the user's pip configuration says.
_PIP_DOWNLOAD = ("pip", "download", "--no-deps", "--no-binary=:none:", "--only-binary=:all:")


_NO_PIP = "No module named pip"


def fetch_wheel(requirement: str, filename: str, folder: Path) -> None:
    """Let pip download the wheel `filename` of `requirement` into `folder`.

    pip is asked, rather than an address, because it knows the user's index, mirror and proxy.
    Where there is none, as in an environment that uv made, one is taken that Python brings along.

    Raises
    ------
    DataError
        pip is absent and cannot be had, fails, or fetches a file of another name.
    """
    download = [*_PIP_DOWNLOAD, "--no-input", "--dest", str(folder), requirement]
    done = _run([sys.executable, "-m", *download], requirement)
    if _NO_PIP in done.stderr:
        with tempfile.TemporaryDirectory(prefix="ltdd-pip-") as work:
            made = _run([sys.executable, "-m", "venv", work], requirement)
            if made.returncode != 0:
                raise DataError(
                    f"Expected pip to fetch {requirement}, but there is none for {sys.executable} "
                    f"({_NO_PIP}), and Python could not make one: {_reason(made)} Install it, such "
                    "as with: uv pip install pip"
                )
            done = _run([_python_in(Path(work)), "-m", *download], requirement)
    if done.returncode != 0:
        raise DataError(f"Expected pip to fetch {requirement}, but it failed: {_reason(done)}")
    if not (folder / filename).is_file():
        got = sorted(found.name for found in folder.iterdir())
        raise DataError(
            f"Expected pip to fetch {filename} for {requirement}, but got {got or 'nothing'}."
        )


def _run(command: list[str], requirement: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
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
            f"Expected to run pip with {command[0]}, but could not: {error}."
        ) from error


def _python_in(environment: Path) -> str:
    places = (environment / "bin" / "python", environment / "Scripts" / "python.exe")
    return str(next((path for path in places if path.exists()), places[0]))


def manual_command(requirement: str, folder: Path) -> str:
    """What a user types to fetch the wheel by hand, on any machine with a package index."""
    return shlex.join(["python", "-m", *_PIP_DOWNLOAD, "--dest", str(folder), requirement])


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    text = done.stderr or done.stdout  # venv complains to the latter
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines[-1:]
    return " ".join(errors) or f"exit status {done.returncode}."
