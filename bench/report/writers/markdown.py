"""Reports as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tabulate import tabulate

from bench.plain_text import visible
from bench.report.document.report import Entry, Heading, Kind, Report, Section
from bench.report.model.cells import Table
from bench.report.tables.table2 import table2_document

# An underscore inside a word is plain text in Markdown, and names are full of them.
_ESCAPED = re.compile(r"[\\`*\[\]<>|~$&#]|(?<![^\W_])_|_(?![^\W_])")
_MARKUP: dict[Kind, str] = {"best": "**", "paper": "*", "flag": "**", "category": "*"}


def markdown(table: Table) -> str:
    """``table2.md`` as text."""
    return report_markdown(table2_document(table))


def report_markdown(report: Report) -> str:
    """A report as text: figures of the paper's in italics, the best and what is flagged bold."""
    parts = [f"# {escape(report.title)}", *(escape(text) for text in report.paragraphs)]
    parts.append(bullets(report.notes))
    for section in report.sections:
        if section.title:
            parts.append(f"{'#' * section.level} {escape(section.title)}")
        parts += [*(escape(text) for text in section.paragraphs), bullets(section.notes)]
        if section.headings:
            parts.append(_table(section))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(section: Section) -> str:
    headings = [_heading(heading) for heading in section.headings]
    lines = [[_entry(entry) for entry in entries] for entries in section.lines]
    return pipes(headings, [line + [""] * (len(headings) - len(line)) for line in lines])


def _heading(heading: Heading) -> str:
    group = "" if heading.companion else heading.group
    return escape(f"{group} {heading.text}".strip())


def _entry(entry: Entry) -> str:
    text, markup = escape(entry.text), _MARKUP.get(entry.kind, "")
    # Without `escape`, which would strip the space before a mark.
    after = _ESCAPED.sub(r"\\\g<0>", entry.after)
    return f"{markup}{text}{markup}{after}" if text else ""


def pipes(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table, its first column to the left and the others to the right."""
    alignment = ["left", *["right"] * (len(headings) - 1)]
    return tabulate(lines, headings, tablefmt="pipe", disable_numparse=True, colalign=alignment)


def bullets(pairs: Sequence[tuple[str, str]]) -> str:
    """A list of subjects and what is said of each."""
    return "\n".join(f"- **{escape(subject)}**: {escape(text)}" for subject, text in pairs)


def escape(text: str) -> str:
    """`text` as one line that Markdown prints as it stands."""
    return _ESCAPED.sub(r"\\\g<0>", visible(" ".join(text.split())))
