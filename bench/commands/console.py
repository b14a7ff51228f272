"""The one console that commands print to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bench.plain_text import visible


class _Console(Console):
    """A console that shows control characters in texts, rather than obey them."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        # Every text comes by here, in a table or a bar, too; codes of the console's own do not.
        if isinstance(renderable, str):
            renderable = visible(renderable)
        elif isinstance(renderable, Text) and visible(renderable.plain) != renderable.plain:
            shown = renderable.blank_copy(visible(renderable.plain))
            shown.end = renderable.end
            renderable = shown
        return super().render(renderable, options)


# Texts hold names and paths of the user's: brackets and colons in them are no markup.
_PLAIN: dict[str, Any] = {"highlight": False, "soft_wrap": True, "markup": False, "emoji": False}
console = _Console(**_PLAIN)
errors = _Console(stderr=True, **_PLAIN)
"""Standard error: remarks, and all that is said while results go to the standard output."""


def _print_warning(text: str) -> None:
    errors.print(f"Warning: {text}", style="yellow")


_on_warning: Callable[[str], None] = _print_warning


def warn(text: str) -> None:
    """Make a remark that does not stop anything; on the command line, to standard error."""
    _on_warning(text)


@contextmanager
def called_from_python(*, progress: bool, on_warning: Callable[[str], None]) -> Iterator[None]:
    """What is printed in the block is progress, which may be unwanted; remarks go elsewhere."""
    global _on_warning
    before = console.quiet, errors.quiet, _on_warning
    console.quiet, errors.quiet, _on_warning = not progress, not progress, on_warning
    try:
        yield
    finally:
        console.quiet, errors.quiet, _on_warning = before
