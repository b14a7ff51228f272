"""A line on what is being measured."""

from __future__ import annotations

import click


def say(text: str) -> None:
    """Print `text` to standard error, where it does not mix with the tables."""
    click.echo(text, err=True)
