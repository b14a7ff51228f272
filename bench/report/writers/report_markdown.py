"""Sheets as Markdown."""

from __future__ import annotations

from bench.report.document.report import Entry, Kind, Report, ReportTable
from bench.report.writers.markdown import bullets, escape, pipes

_MARKUP: dict[Kind, str] = {"best": "**", "paper": "*", "flag": "**"}


def report_markdown(report: Report) -> str:
    """A report as text: figures of the paper's in italics, the best and what is flagged bold."""
    parts = [f"# {escape(report.title)}", *(escape(text) for text in report.paragraphs)]
    parts.append(bullets(report.notes))
    for block in report.blocks:
        if block.title:
            parts.append(f"## {escape(block.title)}")
        parts.append(_table(block))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(block: ReportTable) -> str:
    headings = [escape(f"{heading.group} {heading.text}".strip()) for heading in block.headings]
    lines = [[_entry(entry) for entry in entries] for entries in block.lines]
    return pipes(headings, [line + [""] * (len(headings) - len(line)) for line in lines])


def _entry(entry: Entry) -> str:
    text, markup = escape(entry.text), _MARKUP.get(entry.kind, "")
    return f"{markup}{text}{markup}" if text else ""
