"""Tables 3 and 4: the paper's method without one of its parts, beside the paper's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from bench.report.document.numbers import fixed, interval
from bench.report.document.report import (
    Entry,
    Heading,
    Report,
    Section,
    Value,
    dataset_heading,
    line,
    marks,
    ours,
    paper,
    plain_headings,
)
from bench.report.model import measures
from bench.report.model.cells import Cell, Column, Table
from bench.report.model.paired_cells import gap_over_seeds, said_of
from bench.report.model.published import (
    PAPER,
    PAPERS_FORM,
    STAND_INS,
    PublishedVariant,
    comparable,
    published,
)
from bench.report.model.sampling_variance import Covariance, Predictions, covariance_from
from bench.statistics import Difference

Name = Literal["table3", "table4"]
ABLATIONS: tuple[Name, ...] = get_args(Name)

_TITLES = {
    "table3": "Table 3: warm-up, and clustering again during training",
    "table4": "Table 4: which distances weight the classes",
}
_NAMES = {"table3": ("warm-up", "dynamic update"), "table4": ("reweighting",)}
_WORDS = {"": "(no name)", "class_plus_subcluster": "class + sub-cluster"}
_DATASET, _SPLIT, _METHOD = "uspto_50k", "standard", "sdr"


def ablation(name: Name, table: Table, predictions: Predictions) -> Report:
    """Balanced accuracy of the variants, where `table` has one besides the method itself.

    Parameters
    ----------
    name : str
        Which of the two tables.
    table : Table
        A sweep, such as that of the preset of that name. Variants that it does not hold are
        missing; without any, the table is the paper's data set and split.
    predictions : callable
        True and predicted labels of a job id.
    """
    variants = published().variants[name]
    covariance = covariance_from(predictions)
    places = _planned(table, variants) or [(_SPLIT, Column(PAPERS_FORM[_DATASET], _DATASET))]
    compared = [
        [_compared(table, split, column, variant, covariance) for variant in variants]
        for split, column in places
    ]
    return Report(
        name,
        _TITLES[name],
        (),
        (*_notes(name, variants), *_absent(table, variants), *marks(table)),
        tuple(
            Section(
                f"{dataset_heading(column)}, {split} split",
                _headings(name),
                tuple(one.entries() for one in of_place),
            )
            for (split, column), of_place in zip(places, compared, strict=True)
        ),
        _csv_header(name),
        tuple(one.values() for of_place in compared for one in of_place),
    )


@dataclass(frozen=True)
class _Compared:
    """A variant on one split of a data set: our figure, the paper's, and what it costs."""

    split: str
    column: Column
    variant: PublishedVariant
    cell: Cell | None
    printed: float | None
    minus_whole: Difference | None

    @property
    def gap(self) -> float | None:
        """Ours minus the paper's; None where one of them is missing."""
        mean = None if self.cell is None else self.cell.mean
        return None if mean is None or self.printed is None else mean - self.printed

    def entries(self) -> tuple[Entry, ...]:
        """What stands in its line."""
        return line(
            *(_WORDS.get(text, text) for text in self.variant.names),
            self.variant.label,
            ours(self.cell),
            paper(self.printed),
            "" if self.gap is None else fixed(self.gap),
            *_against_whole(self.minus_whole),
        )

    def values(self) -> tuple[Value, ...]:
        """Its line in the CSV file, see :func:`_csv_header`."""
        whole = self.minus_whole
        return (
            self.column.label,
            self.split,
            self.variant.label,
            *self.variant.names,
            *_numbers(self.cell),
            self.printed,
            self.gap,
            STAND_INS.get(self.column.name, ""),
            *((whole.mean, whole.low, whole.high, whole.pairs) if whole else (None,) * 4),
        )


def _headings(name: Name) -> tuple[Heading, ...]:
    figure = measures.MAIN[0].heading
    texts = (*_NAMES[name], "method", f"{figure} (ours)", f"{figure} (paper)", "difference")
    return plain_headings((*texts, f"minus {_METHOD}", "95 % interval"))


def _csv_header(name: Name) -> tuple[str, ...]:
    return (
        "dataset", "split", "method", *(text.replace(" ", "_") for text in _NAMES[name]), "mean",
        "std", "n", "expected", "failed", "published", "difference", "stands_in_for",
        "minus_whole", "low", "high", "pairs",
    )  # fmt: skip


def _compared(
    table: Table, split: str, column: Column, variant: PublishedVariant, covariance: Covariance
) -> _Compared:
    return _Compared(
        split,
        column,
        variant,
        table.cells.get((split, column.label, variant.label, measures.MAIN[0].name)),
        _printed(table, split, column.name, column.label, variant),
        None
        if variant.label == _METHOD
        else gap_over_seeds(table, split, column, variant.label, _METHOD, covariance),
    )


def _planned(table: Table, variants: tuple[PublishedVariant, ...]) -> list[tuple[str, Column]]:
    """Splits and data sets with a variant besides the method itself."""
    labels = {variant.label for variant in variants} - {_METHOD}
    planned = {(run.split, run.dataset) for run in table.runs if run.method in labels}
    return [
        (split, column)
        for split in table.splits
        for column in table.columns
        if (split, column.label) in planned
    ]


def _absent(table: Table, variants: tuple[PublishedVariant, ...]) -> list[tuple[str, str]]:
    if _planned(table, variants):
        return []
    return [
        ("Missing runs", f"no variant of {_METHOD} is planned here; {_METHOD} is that of Table 2.")
    ]


def _printed(
    table: Table, split: str, dataset: str, dataset_label: str, variant: PublishedVariant
) -> float | None:
    """The paper's figure, where it ran the same thing."""
    same = comparable(
        table.settings, dataset=dataset, dataset_label=dataset_label, method_label=variant.label
    )
    here = (split, dataset) == (_SPLIT, _DATASET)
    return variant.balanced_accuracy if same and here else None


def _numbers(cell: Cell | None) -> tuple[Value, ...]:
    """Mean, deviation, and runs in the mean, planned and failed."""
    if cell is None:
        return None, None, 0, 0, 0
    failed = sum(run.status == "failed" for run in cell.runs)
    return cell.mean, cell.std, cell.n, cell.expected, failed


def _against_whole(gap: Difference | None) -> tuple[Entry | str, ...]:
    """What leaving out a part costs, and its interval, marked where it leaves out 0."""
    if gap is None:
        return "", ""
    where = interval((gap.low, gap.high))
    note = said_of(gap.pairs)
    return fixed(gap.mean) + note, Entry(where + note, "plain" if gap.sign == "alike" else "flag")


def _notes(name: str, variants: tuple[PublishedVariant, ...]) -> list[tuple[str, str]]:
    number = name.removeprefix("table")
    return [
        ("BA", "balanced accuracy in percent, on the test set."),
        ("Source", f"Table {number} of {PAPER}: {_DATASET}, {_SPLIT} split, no deviations."),
        (
            f"minus {_METHOD}",
            f"the variant minus {_METHOD} in points, by seeds that both have, with a 95 % interval "
            "by Student's t: the variance is that of the test samples with that of training, as "
            "for bold in Table 2. From one trained pair it is that of the test samples alone, and "
            "holds for these two networks only. Flagged where it leaves out 0, without correction "
            "for the number of intervals.",
        ),
        *(
            (_WORDS.get(variant.names[0], variant.names[0]), f"{variant.note}.")
            for variant in variants
            if variant.note
        ),
    ]
