"""What a check can say when all is not well."""

from __future__ import annotations


class ConformanceError(Exception):
    """A method or an encoder does not do what is expected of it."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, but got {got}")


class NotApplicable(Exception):  # noqa: N818 - nothing is wrong
    """The check says nothing about this method or encoder, or cannot be made here."""
