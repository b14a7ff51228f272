"""Base of all component settings, and what a search may try of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

# In the brackets of a method: the encoder of molecules that its networks have.
ENCODER = "backbone"

# The option that numbers the folds of a split, whose runs tables pool.
FOLD = "fold"


class Options(BaseModel):
    """Settings of a component: frozen, strictly typed, unknown keys refused.

    Fields carry their legal range and a description, for example
    ``beta: float = Field(0.9999, ge=0, lt=1, description="...")``. A search draws from it; what
    it should draw from instead stands in the type, ``Annotated[float, Range(0.9, 0.99)]``.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Range:
    """What a search draws a number from, both ends included.

    Attributes
    ----------
    low, high : float
    scale : str
        In which all parts are equally likely: the number, its logarithm, or that of 1 minus it.
    only : (str, value), optional
        Another option, declared before, and the value of it without which this one has no effect.
    """

    low: float
    high: float
    scale: Literal["linear", "log", "near one"] = "linear"
    only: tuple[str, Any] | None = None


@dataclass(frozen=True, init=False)
class Choices:
    """The values that a search draws from."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class NotSearched:
    """Mark of an option that a search leaves as it is."""


@dataclass(frozen=True)
class NamesMethod:
    """Mark of an option that names the one run a method depends on: a search draws its options."""
