"""The table of methods in the README, made from the registry."""

from __future__ import annotations

import inspect
from pathlib import Path

from bench.commands.console import console
from bench.errors import UsageError
from bench.files import write_atomically
from bench.method import GROUPS, METHODS

BEGIN, END = "<!-- methods: begin -->", "<!-- methods: end -->"

README = Path(__file__).parents[2] / "README.md"


def write_methods_table() -> int:
    """Bring the table of methods in the README up to date."""
    try:
        old = README.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Expected to read {README}, but got: {error.strerror}.") from None
    new = with_methods_table(old)
    if new == old:
        console.print(f"{README} is up to date.")
    else:
        write_atomically(README, new.encode())
        console.print(f"Written: {README}")
    return 0


def with_methods_table(text: str) -> str:
    """`text` with what stands between the two markers replaced by the table.

    Raises
    ------
    UsageError
        The markers are not there exactly once, in their order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before or END in after:
        raise UsageError(f"Expected {BEGIN} and then {END} once each in the README.")
    return f"{before}{BEGIN}\n{methods_table()}\n{END}{after}"


def methods_table() -> str:
    """Every usable method by group and name, as a Markdown table.

    Cells are not padded, so that a new method changes one line.
    """
    entries = sorted(METHODS, key=lambda entry: (GROUPS.index(entry.facts["group"]), entry.name))
    rows = [
        (
            f"`{entry.name}`",
            _cell(entry.facts["title"]),
            entry.facts["group"],
            _cell((inspect.getdoc(entry.cls) or "").partition("\n\n")[0]),
            _cell(entry.facts["reference"]),
        )
        for entry in entries
    ]
    table = [("name", "row", "group", "what it does", "source"), ("---",) * 5, *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def _cell(text: str) -> str:
    """One line of Markdown; docstrings mark code with two backticks."""
    return " ".join(text.split()).replace("|", "\\|").replace("``", "`")
