"""Where a result comes from: code, packages, hardware; none of it is part of a job id."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib import metadata
from typing import Any

import bench
from bench.checkout import CHECKOUT
from bench.processor import processor

_PACKAGES = ("torch", "dgl", "rdkit", "numpy", "scipy", "scikit-learn", "pandas", "chemprop")
_CODE = ("bench", "datasets", "methods")


@cache
def provenance() -> dict[str, Any]:
    """Versions and code state of this process; the device is added by the run."""
    return {
        "bench": bench.__version__,
        "code": _code_state(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **processor(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _code_state() -> dict[str, Any]:
    """Commit, and whether files differ from it or plug-ins are not in it; None without one."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None}
    changed = _git("status", "--porcelain", "--untracked-files=no")
    # A plug-in that git does not know is code that the commit does not have.
    unknown = _git("ls-files", "--others", "--", *(f"{folder}/*.py" for folder in _CODE))
    return {"commit": commit, "dirty": bool(changed or unknown)}


def _git(*arguments: str) -> str | None:
    if CHECKOUT is None:  # a repository around an installed package is somebody else's
        return None
    # Without locks: a run that is killed while git refreshes its index would leave the checkout
    # locked behind it.
    command = ["git", "--no-optional-locks", "-C", str(CHECKOUT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
