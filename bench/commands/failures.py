"""The runs that failed, as a table at the end of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from bench.commands.console import console
from bench.sweep.plan import Job
from bench.sweep.store import Store


def show_failures(store: Store, jobs: Sequence[Job]) -> None:
    """Print how each of `jobs`, which are left undone, failed, and where the details are."""
    table = Table(box=box.SIMPLE_HEAD, title="Failed runs", title_justify="left")
    for heading in ("run", "status", "attempts", "epochs", "reason"):
        table.add_column(heading)
    for job in jobs:
        failure = store.why_failed(job.job_id)
        if failure is None:
            continue
        facts = (str(failure.get(key, "")) for key in ("status", "attempts", "epochs", "reason"))
        table.add_row(Text(job.describe()), *map(Text, facts))
    if table.row_count:
        console.print(table)
        console.print(f"Tracebacks: {store.root / 'failures'}")
