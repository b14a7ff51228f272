"""The one console that commands print to."""

from __future__ import annotations

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
_errors = Console(stderr=True, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a remark that does not stop anything, to standard error."""
    _errors.print(f"Warning: {text}", style="yellow", markup=False)
