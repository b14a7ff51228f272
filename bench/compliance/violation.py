"""What a rule found wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Of very many, those that are shown.
_SHOWN = 20


@dataclass(frozen=True)
class Violation:
    """One rule that one record, or several together, do not obey.

    Attributes
    ----------
    rule : str
        Its name in ``rules.yaml`` or :mod:`bench.compliance.arithmetic`.
    where : str
        The run or the runs.
    what : str
        What was expected and what was got.
    """

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.where}: {self.what}"


def listed(violations: Iterable[Violation]) -> str:
    """A line for each violation; of very many the first."""
    lines = [str(violation) for violation in violations]
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more])
