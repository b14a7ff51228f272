"""Data reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from bench.commands.console import console
from bench.commands.prepare import prepare_dataset
from bench.config import Settings
from bench.data.cache import default_folder
from bench.data.describe import DataDescription, describe_data
from bench.errors import StoreError
from bench.files import write_atomically
from bench.report.published import published
from bench.report.table1 import table1_markdown
from bench.sweep.local import default_jobs
from bench.sweep.plan import expand

# Long lists are cut on the screen; the count always stands beside them.
_SHOWN = 10


def report_data(names: Sequence[str], *, data_dir: Path | None, markdown: bool, out: Path) -> int:
    """Print a report on each data set; with `markdown`, also write Table 1 to ``out/table1.md``."""
    grid = expand(Settings(datasets=tuple(names)))
    described = []
    for part in grid.datasets:
        ready = prepare_dataset(grid, part, data_dir, default_folder(), default_jobs())
        facts = describe_data(ready.prepared)
        _show(part.label, facts)
        described.append((part.label, part.facts["title"], facts))
    if markdown:
        try:
            out.mkdir(parents=True, exist_ok=True)
            write_atomically(out / "table1.md", table1_markdown(described).encode())
        except OSError as error:
            raise StoreError(
                f"Expected a folder that can be written, but {out}: {error.strerror}. Choose "
                "another one with --out."
            ) from None
        console.print(f"Written: {out / 'table1.md'}")
    return 0


def _show(label: str, facts: DataDescription) -> None:
    paper = published().sizes.get(facts.name)
    table = Table("", "here", "Table 1 of the paper", title=label, title_justify="left")
    table.add_row("rows", f"{facts.rows:,}", f"{paper.size:,}" if paper else "–")
    table.add_row("usable samples", f"{facts.samples:,}", "")
    table.add_row("classes", str(len(facts.class_counts)), str(paper.classes) if paper else "–")
    table.add_row(
        "imbalance ratio",
        f"{facts.imbalance_ratio:.2f}",
        f"{paper.imbalance_ratio:.2f}" if paper else "–",
    )
    table.add_row("distinct samples", f"{facts.distinct_samples:,}", "")
    table.add_row("repeated samples", f"{facts.duplicate_samples:,}", "")
    table.add_row("label conflicts", f"{len(facts.conflicts):,}", "")
    table.add_row("distinct SMILES", f"{facts.distinct_molecules:,}", "")
    for sizes in facts.graphs:
        table.add_row(
            f"{sizes.entity}: atoms a graph",
            f"{sizes.atoms_mean:.2f} ({sizes.atoms_min} to {sizes.atoms_max})",
            "",
        )
        table.add_row(f"{sizes.entity}: bonds a graph", f"{sizes.bonds_mean:.2f}", "")
    console.print(table)

    classes = Table("class", "samples", "share", title="classes", title_justify="left")
    for name, count in facts.class_counts:
        classes.add_row(name, f"{count:,}", f"{count / facts.samples:.2%}")
    console.print(classes)
    for note in facts.notes:
        console.print(f"Note: {note}")
    _show_rows("unusable", [f"row {r.row} ({r.name}): {r.reason}" for r in facts.unusable])
    _show_rows("repaired", [f"row {r.row} ({r.name}): {r.reason}" for r in facts.repaired])
    _show_rows("in conflict", ["rows " + ", ".join(map(str, rows)) for rows in facts.conflicts])
    console.print()


def _show_rows(what: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print(f"{len(lines)} {what}:")
    for line in lines[:_SHOWN]:
        console.print(f"  {line}")
    if len(lines) > _SHOWN:
        console.print(f"  and {len(lines) - _SHOWN} more")
