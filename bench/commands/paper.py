"""Write all tables of the paper, and the numbers of its figure, from run records."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.checkout import PROGRAM
from bench.commands.archive import open_results
from bench.commands.console import console
from bench.commands.figures import embeddings_of
from bench.commands.report import Shown, judged_table, planned_records, refuse_contradicted
from bench.compliance.rules import violations_together
from bench.report.document.report import Report
from bench.report.figures import Source, draw_figures, source_of_table, write_figures
from bench.report.html import write_page
from bench.report.model.check import check_records, refuse
from bench.report.model.measures import MAIN
from bench.report.model.published import of_paper
from bench.report.model.registered import with_registered_names
from bench.report.model.table2 import table2
from bench.report.tables.agreement import agreement
from bench.report.tables.comparison import comparison
from bench.report.tables.contradictions import contradictions
from bench.report.tables.explanation import explanation
from bench.report.tables.figure1 import figure1
from bench.report.tables.table1 import table1
from bench.report.tables.table2 import table2_report
from bench.report.tables.table3 import ABLATIONS, ablation
from bench.report.writers.csv_files import report_csv, table2_csv
from bench.report.writers.latex import document, report_latex
from bench.report.writers.markdown import markdown, report_markdown
from bench.report.writers.write import write_files
from bench.sweep.local import default_jobs
from bench.sweep.store import Store

_MAIN = "paper"
# Tables may have budgets of their own.
_SHARED_BY_TABLES = ("one data file", "one content", "one split")
# They hold figures beside the published ones, of which data of one's own has none.
_OF_PAPERS_DATA = ("comparison", "agreement")
_DEFAULT_OUT = Path("results")


def write_paper(
    out: Path,
    *,
    figures: bool = True,
    embeddings: bool = False,
    data_dir: Path | None = None,
    shown: Shown = MAIN,
    to: Path | None = None,
) -> int:
    """Write what `out` has runs for, to the folder `to`, or to `out`.

    Tables go to ``paper`` there as CSV, Markdown and LaTeX, with `figures` pictures to
    ``paper/figures`` as PDF, SVG and PNG and the page ``report.html``; with `embeddings`,
    those of methods with sub-clusters are drawn too, from weights and data, looked for in
    `data_dir` first. `shown` are the columns of Table 2 and of the page.

    Returns
    -------
    int
        0, or 1 when a table, or a run of one, is not there; each absent table is said. Of data
        that the paper does not have, its tables are not asked for.

    Raises
    ------
    StoreError
        Records of a table break a rule, in which case nothing is written, or the folder cannot be
        written.
    """
    store = open_results(out)
    to = to or out
    sweeps = _sweeps(store)
    _check(store, list(sweeps.values()))
    reports: list[Report] = []
    own: dict[str, str] = {}
    own_data = False
    if _MAIN in sweeps:
        sweep = sweeps[_MAIN]
        table = judged_table(store, *sweep, shown)
        reports = [
            table1(table, sweep.records),
            table2_report(table),
            figure1(table, sweep.records),
            comparison(table, sweep.records),
            agreement(table),
            explanation(table, store.decisions),
        ]
        own_data = set(sweeps) == {_MAIN} and not of_paper(column.name for column in table.columns)
        # Table 2 has fuller forms than a report's.
        own = {"table2.csv": table2_csv(table), "table2.md": markdown(table)}
    if own_data:
        console.print(
            "Tables 3 and 4, the comparison, the agreement and the contradictions are of the "
            "paper's data sets; not written."
        )
        empty = [s.name for s in reports if s.name not in _OF_PAPERS_DATA and not _has_figures(s)]
        if empty:
            console.print(f"No runs to show in {', '.join(empty)}; not written.")
        reports = [report for report in reports if _has_figures(report)]
    else:
        # A table without runs of its own shows holes, or what the main table has of it.
        with_runs = {name: sweeps.get(name, sweeps.get(_MAIN)) for name in ABLATIONS}
        reports[2:2] = [
            ablation(name, table2(*sweep), store.decisions)
            for name, sweep in with_runs.items()
            if sweep
        ]
        reports.append(contradictions())
        _say_absent(store, sweeps)
    write_files(to / "paper", _files(reports) | own)
    names = ", ".join(report.name for report in reports)
    console.print(f"Written: {names} as .csv, .md and .tex to {to / 'paper'}")
    if figures and _MAIN in sweeps:
        source = source_of_table(table, sweeps[_MAIN].records)
        _write_pictures(store, source, embeddings, data_dir, to)
    whole = own_data or all(store.has_plan(name) for name in (_MAIN, *ABLATIONS))
    return 0 if whole and all(sweep.complete for sweep in sweeps.values()) else 1


def _write_pictures(
    store: Store, source: Source, embeddings: bool, data_dir: Path | None, to: Path
) -> None:
    drawn = embeddings_of(store, source, data_dir) if embeddings else ()
    folder, page = to / "paper" / "figures", to / "report.html"
    pictures = draw_figures(source, embeddings=drawn, jobs=default_jobs())
    paths = write_figures(folder, pictures)
    write_page(page, source, store.decisions, pictures, folder=store.root)
    console.print(f"Written: {len(paths)} figures to {folder} and the page {page}")


class _Sweep(NamedTuple):
    """A plan and what came of it, in the order in which tables take them."""

    plan: dict[str, Any]
    records: list[dict[str, Any]]
    failures: dict[str, dict[str, Any]]

    @property
    def complete(self) -> bool:
        return len(self.records) == len(self.plan["jobs"])


def _sweeps(store: Store) -> dict[str, _Sweep]:
    """What there is for each preset; the last benchmark stands in for one of the main preset."""
    plans = {name: store.read_plan(name) for name in (_MAIN, *ABLATIONS) if store.has_plan(name)}
    if _MAIN not in plans and store.has_plan():
        plans[_MAIN] = store.read_plan()
    return {
        name: _Sweep(with_registered_names(plan), *planned_records(store, plan))
        for name, plan in plans.items()
    }


def _check(store: Store, sweeps: Sequence[_Sweep]) -> None:
    """Refuse what breaks a rule in any table, and tables that show different data."""
    records: dict[str, dict[str, Any]] = {}
    for sweep in sweeps:
        check_records(sweep.plan, sweep.records, sweep.failures)
        records |= {record["job_id"]: record for record in sweep.records}
    refuse([b for b in violations_together(list(records.values())) if b.rule in _SHARED_BY_TABLES])
    refuse_contradicted(store, records.values())


def _has_figures(report: Report) -> bool:
    """Whether there is more in it than dashes; what was planned is always in Table 2."""
    if report.name == "table1":
        return any(isinstance(v, int | float) for values in report.csv_lines for v in values)
    return bool(report.csv_lines) or report.name == "table2"


def _say_absent(store: Store, sweeps: Mapping[str, _Sweep]) -> None:
    """One line for what has no runs of its own, with the command that makes them."""
    if not store.has_plan(_MAIN):
        instead = ": they show the last benchmark" if _MAIN in sweeps else ""
        console.print(
            f"No runs of their own for Tables 1 and 2 and Figure 1{instead}. "
            f"{_command(_MAIN, store.root)} makes them."
        )
    for name in ABLATIONS:
        if name not in sweeps:
            console.print(f"No runs for Table {name[-1]}. {_command(name, store.root)} makes them.")


def _files(reports: Sequence[Report]) -> dict[str, str]:
    files = {"paper.tex": document([report.name for report in reports])}
    for report in reports:
        files[f"{report.name}.csv"] = report_csv(report)
        files[f"{report.name}.md"] = report_markdown(report)
        files[f"{report.name}.tex"] = report_latex(report)
    return files


def _command(preset: str, out: Path) -> str:
    words = [*shlex.split(PROGRAM), "--preset", preset]
    return shlex.join(words if out == _DEFAULT_OUT else [*words, "--out", str(out)])
