"""Python files of the user's that register methods, data sets, splits or encoders.

They are named in an environment variable, so that every process that a benchmark starts imports
them too.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.errors import UsageError

VARIABLE = "LTDD_PLUGINS"

# Optional packages that encoders are made of; pip has the same names for them.
_OPTIONAL = ("dgl", "dgllife", "torch_geometric")


def plugin_files() -> list[Path]:
    """The files that ``LTDD_PLUGINS`` names, with the system's path separator between them."""
    return [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]


def add_plugin_files(paths: Iterable[Path]) -> None:
    """Add files to ``LTDD_PLUGINS``.

    Raises
    ------
    UsageError
        One of them is no Python file, or another module has its name.
    """
    files = {path.resolve(): None for path in plugin_files()}
    for path in paths:
        if path.suffix != ".py" or not path.is_file():
            raise UsageError(f"Expected the path of a Python file, but got {path}.")
        _require_own_name(path.resolve())
        files[path.resolve()] = None
    if files:
        os.environ[VARIABLE] = os.pathsep.join(map(str, files))


def import_file(path: Path) -> None:
    """Import a file under its own name, once; modules beside it are found by theirs.

    Raises
    ------
    UsageError
        Another module has its name.
    Exception
        Whatever the file raises.
    """
    path = path.resolve()
    _require_own_name(path)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    importlib.import_module(path.stem)


def reason_of(error: Exception) -> str:
    """Why a module cannot be imported, in words, and what to install where that would help."""
    reason = f"{type(error).__name__}: {error}"
    missing = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    package = missing.partition(".")[0]
    return f"{reason}. Run: pip install {package}" if package in _OPTIONAL else reason


def _require_own_name(path: Path) -> None:
    loaded = sys.modules.get(path.stem)
    try:
        spec = None if loaded is not None else importlib.util.find_spec(path.stem)
    except ValueError:  # a module of this name without a place of its own
        spec = None
    origin = getattr(loaded, "__file__", None) if loaded is not None else spec and spec.origin
    if (loaded is None and spec is None) or (origin and Path(origin).resolve() == path):
        return
    raise UsageError(
        f"Expected a name that no other module has, but {path.stem!r} is also "
        f"{origin or 'a part of Python'}. Rename {path}."
    )
