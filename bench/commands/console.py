"""The one console that commands print to."""

from __future__ import annotations

from rich.console import Console

# Texts hold names and paths of the user's: brackets in them are no markup.
console = Console(highlight=False, soft_wrap=True, markup=False)
_errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def warn(text: str) -> None:
    """Print a remark that does not stop anything, to standard error."""
    _errors.print(f"Warning: {text}", style="yellow")
