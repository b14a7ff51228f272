"""Python files of the user's that register methods, data sets, splits or encoders.

They are named in an environment variable, so that every process that a benchmark starts imports
them too.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.errors import UsageError

VARIABLE = "LTDD_PLUGINS"

# What Python finds elsewhere first, whatever is beside a file: a checkout has a folder `bench`.
_NEVER_BESIDE = sys.stdlib_module_names | {"bench"}

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
        _require_own_name(path.resolve(), path.stem)
        files[path.resolve()] = None
    if files:
        os.environ[VARIABLE] = os.pathsep.join(map(str, files))


def import_file(path: Path) -> None:
    """Import a file under its own name, once; modules beside it are found by theirs.

    Raises
    ------
    UsageError
        Another module has its name, or that of a module beside it that it imports.
    Exception
        Whatever the file raises.
    """
    path = path.resolve()
    for name, beside in _imported_beside(path).items():
        _require_own_name(beside, name)
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


def _imported_beside(path: Path) -> dict[str, Path]:
    """Modules and packages beside `path` that it imports, or that one of those imports."""
    found = {path.stem: path}
    waiting = [path]
    while waiting:
        imported = set(_imported_names(waiting.pop())) - _NEVER_BESIDE
        for name in imported - found.keys():
            for beside in (path.parent / name / "__init__.py", path.with_name(f"{name}.py")):
                if beside.is_file() and name not in found:
                    found[name] = beside
                    waiting.append(beside)
    return found


def _imported_names(path: Path) -> Iterator[str]:
    """First words of what a file imports; nothing of one that cannot be read as Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # importing it says why
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _require_own_name(path: Path, name: str) -> None:
    loaded = sys.modules.get(name)
    try:
        spec = None if loaded is not None else importlib.util.find_spec(name)
    except ValueError:  # a module of this name without a place of its own
        spec = None
    origin = getattr(loaded, "__file__", None) if loaded is not None else spec and spec.origin
    if (loaded is None and spec is None) or (origin and Path(origin).resolve() == path):
        return
    raise UsageError(
        f"Expected a name that no other module has, but {name!r} is also "
        f"{origin or 'a part of Python'}. Rename {path}."
    )
