"""Sheets as Markdown."""

from __future__ import annotations

from bench.report.document.document import Block, Entry, Kind, Sheet
from bench.report.writers.markdown import bullets, escape, pipes

_MARKUP: dict[Kind, str] = {"best": "**", "paper": "*", "flag": "**"}


def sheet_markdown(sheet: Sheet) -> str:
    """A sheet as text: figures of the paper's in italics, the best and what is flagged bold."""
    parts = [f"# {escape(sheet.title)}", *(escape(text) for text in sheet.paragraphs)]
    parts.append(bullets(sheet.notes))
    for block in sheet.blocks:
        if block.title:
            parts.append(f"## {escape(block.title)}")
        parts.append(_table(block))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(block: Block) -> str:
    headings = [escape(f"{heading.group} {heading.text}".strip()) for heading in block.headings]
    lines = [[_entry(entry) for entry in entries] for entries in block.lines]
    return pipes(headings, [line + [""] * (len(headings) - len(line)) for line in lines])


def _entry(entry: Entry) -> str:
    text, markup = escape(entry.text), _MARKUP.get(entry.kind, "")
    return f"{markup}{text}{markup}" if text else ""
