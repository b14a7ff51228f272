"""Writes the page."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.plain_text import some_of, visible
from bench.report.document.caption import caption
from bench.report.document.numbers import counted, duration, fixed, split_heading
from bench.report.figures.critical_difference import ranks_of
from bench.report.figures.source import Source
from bench.report.figures.write import Picture, draw_figures
from bench.report.html.audit import data_lines, environments, split_lines
from bench.report.html.details import details_json
from bench.report.html.differences import packed_gaps
from bench.report.html.libraries import pack, packed_libraries
from bench.report.html.overview import overviews, shared_pictures
from bench.report.html.results import HEADINGS, Place, places_of, signed
from bench.report.model import measures
from bench.report.model.costs import ELSEWHERE
from bench.report.model.published import PAPER, of_paper
from bench.report.model.registered import summary_of
from bench.report.model.sampling_variance import Predictions, splits_of_one_test_set
from bench.report.tables.mean_ranks import NO_TEST, task_ranks
from bench.report.writers.csv_files import table2_csv
from bench.report.writers.write import write_files

_TEMPLATES = Path(__file__).parent / "templates"
_PICTURE = "svg"
# Methods of a chart that are in sight at first.
_FIRST = 20


def write_page(
    path: Path,
    source: Source,
    predictions: Predictions | None = None,
    pictures: Sequence[Picture] | None = None,
    *,
    folder: Path | None = None,
    jobs: int = 1,
) -> None:
    """Write the page to `path`, such as ``results/report.html``; equal arguments, equal bytes.

    Parameters
    ----------
    path : Path
        Its folder is made if absent.
    source : Source
        Of :func:`bench.report.figures.source_of_table`.
    predictions : callable, optional
        Job id to what the run predicted. Without it methods are not compared with a baseline.
    pictures : sequence of Picture, optional
        With their SVG; drawn here, by `jobs` processes, if not given.
    folder : Path, optional
        That of the results, for the commands on the page; by default that of the page. Of an
        absolute path only the name is shown.

    Raises
    ------
    StoreError
        The place cannot be written.
    UnavailableError
        Plotly is not installed.
    """
    if pictures is None:
        pictures = draw_figures(source, jobs=jobs, suffixes=[_PICTURE])
    folder = folder or path.parent
    text = page(source, predictions, pictures, folder.name if folder.is_absolute() else str(folder))
    write_files(path.parent, {path.name: text})


def page(
    source: Source,
    predictions: Predictions | None = None,
    pictures: Sequence[Picture] = (),
    folder: str = "results",
) -> str:
    """The page as text; names come out as they are, never as markup."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        counted=counted,
        fixed=fixed,
        signed=signed,
        duration=duration,
        split_heading=split_heading,
        unit=measures.unit,
        elsewhere=ELSEWHERE,
    )
    table = source.table
    places = places_of(source, predictions)
    lines = [line for place in places for line in place.lines]
    of_data = overviews(source, places, pictures, folder)
    categories = {line.category for line in lines}
    status = [run.status for run in table.runs]
    packed = {
        "details": pack(details_json(source, lines, folder).encode()),
        "csv": pack(table2_csv(table).encode()),
        **{f"picture-{one.name}": pack(one.files[_PICTURE]) for one in pictures},
        **packed_libraries(),
    }
    return environment.get_template("page.html").render(
        overviews=of_data,
        datasets=some_of([one.label for one in of_data], 4),
        shared_pictures=shared_pictures(of_data, pictures),
        stand_ins={line.dataset: line.stand_in for line in lines if line.stand_in},
        runs=table.runs,
        counts={state: status.count(state) for state in ("complete", "failed", "missing")},
        failed=[run for run in table.runs if run.status == "failed"],
        missing=[run for run in table.runs if run.status == "missing"],
        first=_FIRST,
        tested=table.leaders is not None,
        folded="balanced_f1" if table.shown == measures.MAIN else "",
        baselines={one.key: _baselines(one.places) for one in of_data},
        with_categories=len(categories) > 1,
        notes=caption(table),
        ranks=[
            (HEADINGS[measure.name], found.verdict)
            for measure in measures.MAIN
            for found in [ranks_of(table, measure)]
            if found.datasets > 1
        ],
        headings=[HEADINGS.get(measure.name, measure.heading) for measure in table.shown],
        task_ranks=task_ranks(table),
        no_test=NO_TEST,
        data=data_lines(source),
        splits=split_lines(source),
        environments=environments(source),
        paper=PAPER,
        with_paper=of_paper(column.name for column in table.columns),
        glossary=[*_glossary(source), *_categories(categories)],
        # Docstrings mark code with two backticks.
        methods=[
            (row.heading, row.label, summary_of(row.name).replace("``", "")) for row in table.rows
        ],
        # Numbers alone.
        gaps=Markup(json.dumps(_gaps(places), separators=(",", ":"))),  # noqa: S704
        # Markup of our own: files of this folder.
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup((_TEMPLATES / "page.js").read_text(encoding="utf-8")),  # noqa: S704
        packed=packed,
    )


def _gaps(places: Sequence[Place]) -> Mapping[str, object]:
    """The differences of each place, whose rows are places in the whole table."""
    return {
        place.key: packed_gaps(place.gaps, [number for _, number in _numbered(place)])
        for place in places
        if place.gaps
    }


def _numbered(place: Place) -> list[tuple[str, int]]:
    """Methods of a place with their numbers, in the order of the whole table."""
    return sorted(((line.heading, line.number) for line in place.lines), key=lambda pair: pair[1])


def _baselines(places: Sequence[Place]) -> list[tuple[str, int]]:
    """The methods that can be chosen as a baseline, each once."""
    found = {number: name for place in places if place.gaps for name, number in _numbered(place)}
    return [(found[number], number) for number in sorted(found)]


def _glossary(source: Source) -> list[tuple[str, str]]:
    """Words of the page, in the order in which they are met."""
    words = [
        (
            "Balanced accuracy",
            "the mean of the recalls of all classes. A prediction that is always the same class "
            "has 100 / number of classes.",
        ),
        ("Recall of a class", "the share of its test samples that are classified rightly."),
    ]
    if measures.MAIN[1] in source.table.shown:
        words.append(
            (
                "Balanced F1",
                "macro F1 re-weighted to equal class frequencies: the F1 that the same recalls "
                "would have if all classes were equally frequent.",
            )
        )
    return [
        *words,
        (
            "Frequent, medium and rare classes",
            "(head, middle and tail) the 30 % of the classes with the most training samples, those "
            "between, and the 30 % with the fewest. Of more than 50 classes: more than 100, 20 to "
            "100 and fewer than 20 training samples.",
        ),
        (
            "Bold",
            "not significantly different from the best in its column (family-wise alpha 0.05). "
            "With one seed nothing is bold."
            if source.table.leaders is not None
            else "the highest mean; it says nothing about significance.",
        ),
        (
            "Interval",
            "where the mean of many more seeds would lie, with 95 % confidence. That of a "
            "difference compares runs of the same seed; it is not corrected for the number of "
            "comparisons."
            + (
                " Where all seeds have one test set, that of a mean says nothing of other samples "
                f"({', '.join(same)})."
                if (same := splits_of_one_test_set(source.table))
                else ""
            ),
        ),
        (
            "Significant difference",
            "the 95 % interval of the difference leaves out 0. Bold also corrects for comparing "
            "all methods, so that a pair may differ though both are bold.",
        ),
    ]


def _categories(found: Collection[str]) -> list[tuple[str, str]]:
    """What the categories mean, where there are several."""
    says = {
        "original": f"one of the ten methods of {PAPER}",
        "control": "shows which step of a method matters, or how good a simpler one is",
        "peer": "a model of another tool",
        "extension": "a method that was added",
    }
    named = [f"{name}: {text}" for name, text in says.items() if name in found]
    return [("Category", "; ".join(named) + ".")] if len(found) > 1 else []


def _visible(value: object) -> object:
    """Texts without hidden characters; markup and all else as they are."""
    return visible(value) if type(value) is str else value
