"""Writes the page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.errors import StoreError
from bench.files import write_atomically
from bench.plain_text import visible
from bench.report.document.caption import caption
from bench.report.document.numbers import counted
from bench.report.figures.critical_difference import ranks_of
from bench.report.figures.source import Source
from bench.report.html.audit import data_lines, environments, split_lines
from bench.report.html.details import details_json
from bench.report.html.libraries import packed_libraries
from bench.report.html.results import lines_of
from bench.report.model import measures
from bench.report.model.published import PAPER, of_paper
from bench.report.tables.mean_ranks import NO_TEST, task_ranks

_TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, source: Source) -> None:
    """Write the page to `path`, such as ``results/report.html``; equal arguments, equal bytes.

    Parameters
    ----------
    path : Path
        Its folder is made if absent.
    source : Source
        Of :func:`bench.report.figures.source_of`.

    Raises
    ------
    StoreError
        The place cannot be written.
    UnavailableError
        Plotly or itables is not installed.
    """
    text = page(source)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise StoreError(
            f"Expected to write the page to {path}, but got: {error}. Free the place or choose "
            "another folder."
        ) from error


def page(source: Source) -> str:
    """The page as text; names come out as they are, never as markup."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    lines = lines_of(source)
    status = [run.status for run in source.table.runs]
    return environment.get_template("page.html").render(
        lines=lines,
        stand_ins={line.dataset: line.stand_in for line in lines if line.stand_in},
        counted=counted,
        runs=source.table.runs,
        counts={state: status.count(state) for state in ("complete", "failed", "missing")},
        failed=[run for run in source.table.runs if run.status == "failed"],
        missing=[run for run in source.table.runs if run.status == "missing"],
        headings=[measure.heading for measure in source.table.shown],
        notes=caption(source.table),
        ranks=[(m.heading, ranks_of(source.table, m).verdict) for m in measures.MAIN],
        task_ranks=task_ranks(source.table),
        no_test=NO_TEST,
        data=data_lines(source),
        splits=split_lines(source),
        environments=environments(source),
        paper=PAPER,
        with_paper=of_paper(column.name for column in source.table.columns),
        # Markup of our own: JSON that is safe in a script element, and files of this folder.
        details=Markup(details_json(source, lines)),  # noqa: S704
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup((_TEMPLATES / "page.js").read_text(encoding="utf-8")),  # noqa: S704
        libraries=packed_libraries(),
    )


def _visible(value: object) -> object:
    """Texts without hidden characters; markup and all else as they are."""
    return visible(value) if type(value) is str else value
