"""Text of others, such as class names and reasons of failures, as it is printed."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

# Controls but for the end of a line and the tab, marks that turn the direction of writing, ends of
# a line that only some programs know, and halves of a character, which no encoding can write.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""`text` with each character that could command a terminal, or reorder a line, as its code.

    Examples
    --------
    >>> print(visible("\x1b[31mred\u202e"))
    \x1b[31mred\u202e
    """
    return _HIDDEN.sub(_code, text)


def _code(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first `most` of `names`, and how many more there are.

    Examples
    --------
    >>> some_of(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def beginning(value: object, most: int = 2000) -> str:
    """`value` as text, cut where it is longer than a person reads.

    Examples
    --------
    >>> beginning([1, 2, 3], most=6)
    '[1, 2,... (9 characters)'
    """
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def log_visibly() -> None:
    """Send the log of this process to standard error as :func:`visible` text, unless it goes on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))
