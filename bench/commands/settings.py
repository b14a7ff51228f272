"""Write which settings a search chose, with the evidence."""

from __future__ import annotations

from pathlib import Path

from bench.commands.archive import open_results
from bench.commands.console import console
from bench.commands.report import planned_records
from bench.report.figures.convergence import convergence_figure
from bench.report.figures.style import files_of, style
from bench.report.tables.search import is_default, search_of, validation_of
from bench.report.writers.csv_files import report_csv
from bench.report.writers.search_report import settings_markdown, settings_report
from bench.report.writers.write import write_files
from bench.sweep.store import TRIALS

_PRESET = "search"


def write_settings(out: Path) -> int:
    """Write ``settings.md``, ``settings.csv`` and ``settings_convergence`` into `out`.

    From the plan of the last ``--trials``, or of the preset ``search``, or else the last one.

    Returns
    -------
    int
        0, or 1 when runs of the plan failed or are missing.

    Raises
    ------
    StoreError
        There is no plan, it has several splits or seeds, a record breaks a rule, or the folder
        cannot be written.
    """
    store = open_results(out)
    plan = store.read_plan(next(filter(store.has_plan, (TRIALS, _PRESET)), None))
    records, failures = planned_records(store, plan)
    # From here on nothing knows what came out on the test set.
    found = {record["job_id"]: validation_of(record) for record in records}
    failed = {job_id: failure["reason"] for job_id, failure in failures.items()}
    search = search_of(plan, found, failed, is_default)
    with style():
        pictures = files_of(convergence_figure(search))
    files: dict[str, str | bytes] = {
        "settings.md": settings_markdown(search),
        "settings.csv": report_csv(settings_report(search)),
        **{f"settings_convergence.{suffix}": content for suffix, content in pictures.items()},
    }
    write_files(out, files)
    choices = sum(search.chosen(method) is not None for method in search.trials)
    console.print(
        f"{choices} of {len(search.trials)} methods have a choice; {len(found)} of "
        f"{len(plan['jobs'])} runs are done."
    )
    console.print("Written: " + ", ".join(str(out / name) for name in files))
    return 0 if len(found) == len(plan["jobs"]) else 1
