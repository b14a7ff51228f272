"""One small registry for everything that can be plugged in.

A plug-in is a class under a decorator. Files of the registry's package are found by themselves,
installed packages through an entry-point group. A file that cannot be imported is listed as
unavailable with its reason; it never stops the others and is never dropped in silence.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, TypeVar

from bench.errors import UnavailableError, UnknownNameError, UsageError
from bench.options import ENCODER
from bench.plugin_files import import_file, plugin_files, reason_of

T = TypeVar("T", bound=type)

# What stands between a plug-in's decorator and the registry.
_REGISTERING = (
    __name__,
    "bench.method",
    "bench.dataset",
    "bench.split",
    "bench.backbone",
    "bench.tracking.listener",
)

# Names become folder names, table rows and command-line words: one plain alphabet for all.
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered class with the facts declared beside it.

    Attributes
    ----------
    name : str
        What the command line, tables and records call it.
    cls : type
        The registered class.
    facts : dict
        What the decorator was given: title, group, reference, version, ...
    origin : str
        File the class stands in.
    module : str
        Module that registered it, which may have made the class by another one's function.
    """

    name: str
    cls: T
    facts: dict[str, Any] = field(default_factory=dict)
    origin: str = ""
    module: str = ""

    @property
    def modules(self) -> set[str]:
        """Where it was registered, and where its class and the classes it derives from stand."""
        return {self.module, *(base.__module__ for base in self.cls.__mro__)} - {""}


class Registry(Generic[T]):
    """Names to classes, for one kind of plug-in.

    Parameters
    ----------
    kind : str
        What one entry is called in messages, such as ``"method"``.
    package : str
        Package whose modules are imported at the first look-up of a name that is not registered
        yet, or of all names. Modules whose name begins with an underscore, and sub-packages, are
        left out.
    entry_points : str
        Entry-point group through which installed packages add entries; each point names a module.
    """

    def __init__(self, kind: str, package: str, entry_points: str) -> None:
        self.kind = kind
        self._package = package
        self._group = entry_points
        self._entries: dict[str, Entry[T]] = {}
        self._unavailable: dict[str, str] = {}
        self._discovered = False
        self._files: set[Path] = set()

    def add(self, name: str, cls: T, **facts: Any) -> None:
        """Register `cls` under `name`.

        Raises
        ------
        UsageError
            The name is taken by another file (both are named) or is not a plain lower-case word,
            or the class stands in no file.
        """
        try:
            file = inspect.getsourcefile(cls)
        except (OSError, TypeError):  # a cell of a notebook, or typed at a prompt
            raise UsageError(
                f"Expected the class of the {self.kind} {name!r} in a file, as runs are processes "
                "that import it, but got one without. Write it to a .py file and name that in "
                "LTDD_PLUGINS."
            ) from None
        # As people know it: the folders of plug-ins are links in a checkout.
        origin = str(Path(file).resolve()) if file else cls.__module__
        if not NAME_PATTERN.fullmatch(name):
            raise UsageError(
                f"Expected the name of a {self.kind} to match {NAME_PATTERN.pattern}, but got "
                f"{name!r} in {origin}. Use lower-case letters, digits and underscores."
            )
        options = getattr(cls, "options_type", None)
        if self.kind == "method" and options is not None and ENCODER in options.model_fields:
            raise UsageError(
                f"Expected no option {ENCODER!r} of the method {name!r} in {origin}: in the "
                "brackets of a method it names the encoder of molecules. Rename the option."
            )
        known = self._entries.get(name)
        if known is not None and (known.origin, known.cls.__qualname__) != (
            origin,
            cls.__qualname__,
        ):
            raise UsageError(
                f"Two {self.kind}s are called {name!r}: {known.origin} and {origin}. Rename one."
            )
        self._entries[name] = Entry(name, cls, facts, origin, _registering_module())

    def get(self, name: str) -> Entry[T]:
        """The entry called `name`.

        Raises
        ------
        UnavailableError
            Its file is there but could not be imported; the reason is in the message.
        UnknownNameError
            No such entry; the nearest names are in the message.
        """
        if name in self:
            return self._entries[name]
        if name in self._unavailable:
            raise UnavailableError(
                f"The {self.kind} {name!r} cannot be used here: {self._unavailable[name]}"
            )
        unread = [f"{file} is not imported, {why}" for file, why in self._unavailable.items()]
        raise UnknownNameError(self.kind, name, self._entries, where="; ".join(unread))

    def names(self) -> list[str]:
        """Names of all usable entries, sorted."""
        self.discover()
        return sorted(self._entries)

    def __iter__(self) -> Iterator[Entry[T]]:
        return (self._entries[name] for name in self.names())

    def __contains__(self, name: str) -> bool:
        if name not in self._entries:
            self.discover()
        return name in self._entries

    def is_own(self, entry: Entry[T]) -> bool:
        """Whether a module of the registry's package registered `entry`, no installed package."""
        return entry.module.startswith(f"{self._package}.")

    def unavailable(self) -> dict[str, str]:
        """Module or entry-point name to the reason why it could not be imported."""
        self.discover()
        return dict(self._unavailable)

    def discover(self) -> None:
        """Import every module of the package, every entry point and every file of the user's, once.

        Those files are named in ``LTDD_PLUGINS``, see :mod:`bench.plugin_files`, which a notebook
        may set late.
        """
        if not self._discovered:
            self._discovered = True
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                if not module.name.startswith("_") and not module.ispkg:
                    full = f"{self._package}.{module.name}"
                    self._import(module.name, partial(importlib.import_module, full))
            for point in metadata.entry_points(group=self._group):
                self._import(point.name, partial(importlib.import_module, point.value))
        for path in plugin_files():
            if path not in self._files:
                self._files.add(path)
                self._import(path.stem, partial(import_file, path))

    def _import(self, name: str, load: Callable[[], object]) -> None:
        try:
            load()
        except Exception as error:  # a broken plug-in is listed, whatever it raises
            self._unavailable[name] = reason_of(error)


def _registering_module() -> str:
    """The module whose code registers, beyond this one and the decorators of the contracts."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in _REGISTERING:
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))
