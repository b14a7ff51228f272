"""Which source files a result comes from, each with a hash of what its code does.

A file is hashed as parsed code: comments, layout and docstrings do not count. Files are named as
their modules are imported, ``bench/methods/cdt.py``, so that a name means the same everywhere.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

# Characters of the sha256 that are kept: 64 bits, against mistakes and not against attacks.
_DIGITS = 16

# Where Python and packages are installed.
_SITES = frozenset({"site-packages", "dist-packages"})
_STDLIB = Path(sysconfig.get_path("stdlib"))


class _Source(NamedTuple):
    """A parsed module.

    Attributes
    ----------
    name : str
        File name as of a module.
    sha256 : str
    imported : frozenset of str
        What it imports, wherever in its code, ``import_module("...")`` included.
    origins : dict of str to set of str
        For each imported name where it may come from.
    looked_up : frozenset of (str, str)
        What it asks of registries: ``METHODS.get("cb")`` as ``("METHODS", "cb")``.
    only_imports : bool
        Whether it has no other statements, as a package that hands on names.
    """

    name: str
    sha256: str
    imported: frozenset[str]
    origins: dict[str, set[str]]
    looked_up: frozenset[tuple[str, str]]
    only_imports: bool


def _nothing(registry: str, name: str) -> Iterable[str]:
    return ()


def sources_of(
    modules: Iterable[str],
    *,
    within: Collection[str],
    registered: Callable[[str, str], Iterable[str]] = _nothing,
) -> dict[str, str]:
    """The files of `modules` and of what they import, file to hash, in the order of names.

    Imports are followed to modules of this project below `within`, and to every module that is
    neither of this project nor installed: a user's own helper. A file is read once a process, so
    that its hash is that of the code that was imported and not of an edit since.

    Parameters
    ----------
    modules : iterable of str
        Dotted names; modules without a source file, such as built-in ones, are left out.
    within : collection of str
        Modules, with what lies below them.
    registered : callable, optional
        The modules of an entry, from the name of its registry in code and its own.
    """
    found: dict[str, str] = {}
    waiting = sorted(set(modules))
    while waiting:
        source = _source(waiting.pop())
        if source is None or source.name in found:
            continue
        found[source.name] = source.sha256
        for target in source.imported:
            waiting += (module for module in _defining(target) if _is_followed(module, within))
        for registry, name in source.looked_up:
            waiting += registered(registry, name)
    return dict(sorted(found.items()))


def _is_followed(module: str, within: Collection[str]) -> bool:
    if any(module == room or module.startswith(f"{room}.") for room in within):
        return True
    path = _file(module)
    return path is not None and not _is_ours(module) and not _is_installed(path)


def is_installed(module: str) -> bool:
    """Whether `module` has no source file or is Python's own or an installed package's."""
    path = _file(module)
    return not _is_ours(module) and (path is None or _is_installed(path))


def _is_ours(module: str) -> bool:
    """Whether `module` is of this project, be that installed or a checkout."""
    return module.partition(".")[0] == "bench"


def _is_installed(path: Path) -> bool:
    return not _SITES.isdisjoint(path.parts) or path.is_relative_to(_STDLIB)


def _defining(target: str) -> Iterator[str]:
    """The module that `target` is, or from which its package or module has that name.

    ``bench.metrics.balanced_accuracy`` is followed to ``bench.metrics.confusion``, where the
    package takes it from, and not to all that the package offers; unless the package does more than
    import, which may change what it hands on.
    """
    if _file(target) is not None:
        yield target
        return
    package, _, name = target.rpartition(".")
    source = _source(package)
    if source is None:
        return
    origins = source.origins.get(name, set()) - {target}
    if _is_package(package) and source.only_imports and origins:
        for origin in sorted(origins):
            yield from _defining(origin)
    else:
        yield package


def _source(module: str) -> _Source | None:
    """The module as it is; read once a process, but looked for again where it is not there."""
    path = _file(module)
    if path is None:
        return None
    if (module, path) not in _READ:
        _READ[module, path] = _parsed(module, path, path.read_bytes())
    return _READ[module, path]


# By module and path, as they were when this process first asked for them.
_READ: dict[tuple[str, Path], _Source] = {}


def edited(names: Collection[str]) -> list[str]:
    """Those of the files called `names` that do something else now than when they were read."""
    return sorted(
        source.name
        for (module, path), source in _READ.items()
        if source.name in names
        and path.is_file()
        and _parsed(module, path, path.read_bytes()).sha256 != source.sha256
    )


@cache
def _parsed(module: str, path: Path, content: bytes) -> _Source:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # edited since it was imported, and not finished
        tree = ast.Module([ast.Pass()], [])
    package = module if _is_package(module) else module.rpartition(".")[0]
    origins: dict[str, set[str]] = {}
    imported: set[str] = set()
    looked_up: set[tuple[str, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(node.level, node.module or "", package)
            for alias in node.names:
                # A star takes whatever is there: the module itself is what counts.
                target = base if alias.name == "*" else f"{base}.{alias.name}"
                imported.add(target)
                origins.setdefault(alias.asname or alias.name, set()).add(target)
        elif isinstance(node, ast.Call) and (text := _first_text(node)):
            function = ast.unparse(node.func).rpartition(".")
            if function[2] in ("import_module", "__import__"):
                name = text.lstrip(".")
                imported.add(_base(len(text) - len(name), name, package))
            elif function[2] == "get":
                looked_up.add((function[0].rpartition(".")[2], text))
    # A process that Python starts for a script knows the script by another name.
    name = "__main__" if module == "__mp_main__" else module
    return _Source(
        name.replace(".", "/") + ("/__init__.py" if _is_package(module) else ".py"),
        _hash(tree),
        frozenset(imported),
        origins,
        frozenset(looked_up),
        all(isinstance(node, ast.Import | ast.ImportFrom) for node in _statements(tree)),
    )


def _first_text(call: ast.Call) -> str | None:
    """The first argument of a call, where it is a string as it stands."""
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _statements(tree: ast.Module) -> list[ast.stmt]:
    """Statements of a module but for docstrings and ``__all__``."""
    return [
        node
        for node in tree.body
        if not _is_bare_string(node)
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]


def _base(level: int, name: str, package: str) -> str:
    """The absolute name of what is imported by `name` behind `level` dots."""
    if not level:
        return name
    above = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*above, *filter(None, [name])])


def _file(module: str) -> Path | None:
    """The source file of `module`; None where it has none or there is no such module."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        origin = getattr(loaded, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(module)
        except Exception:  # it imports the packages above, which raise what they like
            return None
        origin = None if spec is None else spec.origin
    if origin is None or not origin.endswith(".py"):
        return None
    return Path(origin)


def _is_package(module: str) -> bool:
    path = _file(module)
    return path is not None and path.name == "__init__.py"


def _hash(tree: ast.AST) -> str:
    parts: list[str] = []
    _canonical(tree, parts.append)
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:_DIGITS]


def _canonical(value: object, write: Callable[[str], None]) -> None:
    """Write what `value`, a part of parsed code, does; the same for every version of Python.

    Statements that are a string alone do nothing: docstrings and their like. Fields without a
    value are left out, as versions of Python differ in which there are.
    """
    if isinstance(value, ast.AST):
        write(f"({type(value).__name__}")
        for name, field in ast.iter_fields(value):
            is_constant = isinstance(value, ast.Constant) and name == "value"
            if is_constant or field not in (None, []):
                write(f" {name}=")
                _canonical(field, write)
        write(")")
    elif isinstance(value, list):
        write("[")
        for item in value:
            if not _is_bare_string(item):
                _canonical(item, write)
                write(",")
        write("]")
    else:
        write(repr(value))


def _is_bare_string(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
