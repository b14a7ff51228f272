"""Loops over arrays, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable)


def compiled(function: F) -> F:
    """Compile `function` when it is first called, and keep the result on disk where possible."""
    try:
        return numba.njit(function, cache=True)
    except RuntimeError:  # neither the checkout nor the user's cache folder can be written
        return numba.njit(function)
