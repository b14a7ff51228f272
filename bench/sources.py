"""Which source files a result comes from, each with a hash of what its code does.

A file is hashed as parsed code: comments, layout and docstrings do not count. Files are named as
their modules are imported, ``methods/cdt.py``, so that a name means the same on every machine.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

# Characters of the sha256 that are kept: 64 bits, against mistakes and not against attacks.
_DIGITS = 16


class _Source(NamedTuple):
    """A parsed module: its hash, what it imports, and for each name where that comes from."""

    name: str
    sha256: str
    imported: frozenset[str]
    origins: dict[str, str]


def sources_of(modules: Iterable[str], *, within: Collection[str]) -> dict[str, str]:
    """The files of `modules` and of what they import, file to hash, in the order of names.

    A file is read once a process, so that its hash is that of the code that was imported and not
    of an edit since.

    Parameters
    ----------
    modules : iterable of str
        Dotted names; modules without a source file, such as built-in ones, are left out.
    within : collection of str
        Imports are followed to these modules and to what lies below them, and no further.
    """
    found: dict[str, str] = {}
    waiting = sorted(set(modules))
    while waiting:
        source = _source(waiting.pop())
        if source is None or source.name in found:
            continue
        found[source.name] = source.sha256
        for target in source.imported:
            if any(target == room or target.startswith(f"{room}.") for room in within):
                waiting += _defining(target)
    return dict(sorted(found.items()))


def _defining(target: str) -> Iterator[str]:
    """The module that `target` is, or from which its package or module has that name.

    ``bench.metrics.balanced_accuracy`` is followed to ``bench.metrics.confusion``, where the
    package takes it from, and not to all that the package offers.
    """
    if _file(target) is not None:
        yield target
        return
    package, _, name = target.rpartition(".")
    source = _source(package)
    if source is None:
        return
    origin = source.origins.get(name, target)
    if _is_package(package) and origin != target:
        yield from _defining(origin)
    else:
        yield package


@cache
def _source(module: str) -> _Source | None:
    path = _file(module)
    if path is None:
        return None
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # edited since it was imported, and not finished
        tree = ast.Module([ast.Pass()], [])
    package = module if _is_package(module) else module.rpartition(".")[0]
    origins: dict[str, str] = {}
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            for alias in node.names:
                # A star takes whatever is there: the module itself is what counts.
                target = base if alias.name == "*" else f"{base}.{alias.name}"
                imported.add(target)
                origins[alias.asname or alias.name] = target
    name = module.replace(".", "/") + ("/__init__.py" if _is_package(module) else ".py")
    return _Source(name, _hash(tree), frozenset(imported), origins)


def _base(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of what ``from ... import`` names."""
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *filter(None, [node.module])])


@cache
def _file(module: str) -> Path | None:
    """The source file of `module`; None where it has none or there is no such module."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        origin = getattr(loaded, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError):
            return None
        origin = None if spec is None else spec.origin
    if origin is None or not origin.endswith(".py"):
        return None
    return Path(origin)


def _is_package(module: str) -> bool:
    path = _file(module)
    return path is not None and path.name == "__init__.py"


def _hash(tree: ast.AST) -> str:
    return hashlib.sha256("".join(_canonical(tree)).encode()).hexdigest()[:_DIGITS]


def _canonical(value: object) -> Iterator[str]:
    """What `value`, a part of parsed code, does; the same for every version of Python.

    Statements that are a string alone do nothing: docstrings and their like. Fields without a
    value are left out, as versions of Python differ in which there are.
    """
    if isinstance(value, ast.AST):
        yield f"({type(value).__name__}"
        for name, field in ast.iter_fields(value):
            is_constant = isinstance(value, ast.Constant) and name == "value"
            if is_constant or field not in (None, []):
                yield f" {name}="
                yield from _canonical(field)
        yield ")"
    elif isinstance(value, list):
        yield "["
        for item in value:
            if not _is_bare_string(item):
                yield from _canonical(item)
                yield ","
        yield "]"
    else:
        yield repr(value)


def _is_bare_string(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
