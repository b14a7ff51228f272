"""The error types that the command line turns into one clear message.

A message says what was expected, what was got, where, and how to mend it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class BenchError(Exception):
    """Base of all errors a user can mend; ``exit_code`` is what the process ends with."""

    exit_code = 2


class UsageError(BenchError):
    """The command line or a settings file asks for something that does not exist or clash."""


class UnknownNameError(UsageError):
    """A name that is not registered; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        known = sorted(known)
        near = nearest(name, known)
        hint = f"did you mean {_join(near)}? " if near else ""
        place = f" ({where})" if where else ""
        super().__init__(
            f"Expected the name of a {kind}, but got {name!r}{place}: {hint}"
            f"Known: {', '.join(known) or 'none'}."
        )


class ArgumentError(UsageError, ValueError):
    """An argument of a Python call is not one of those that it takes."""


class DataError(BenchError):
    """Data is missing, damaged, or cannot be used as asked."""


class SplitError(DataError):
    """A split cannot be made from these labels; `classes` are those that the message numbers."""

    def __init__(self, message: str, classes: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.classes = tuple(classes)


class StoreError(BenchError):
    """Results cannot be read or written."""


class ModelError(BenchError):
    """A model cannot be loaded, kept, or asked as one wants to."""


class TrainingError(BenchError):
    """A run cannot go on; it is recorded as failed and the others continue."""


class HiddenLabelsError(TrainingError):
    """Labels are read that whoever reads them must not see."""


class UnavailableError(BenchError):
    """An optional part cannot be used here, usually because a package is absent."""


class BenchWarning(UserWarning):
    """A remark of a call from Python that stops nothing; the command line prints it."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` known names that look like `name` whatever the case, best first.

    What repeats `name` is no help: `name` itself, and a row of names with delimiters in between.
    """
    originals = {
        other.lower(): other for other in known if name not in (other, *re.split(r"[,;|\t]", other))
    }
    matches = difflib.get_close_matches(name.lower(), list(originals), n=count, cutoff=0.5)
    return [originals[match] for match in matches]


def _join(names: list[str]) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
