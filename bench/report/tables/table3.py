"""Tables 3 and 4: the paper's method without one of its parts, beside the paper's figures."""

from __future__ import annotations

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
)
from bench.report.model import measures
from bench.report.model.cells import Cell, Column, Table
from bench.report.model.paired_cells import gap_over_seeds, said_of
from bench.report.model.published import PAPER, STAND_INS, PublishedVariant, comparable, published
from bench.report.model.sampling_variance import Predictions, covariance_from
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
    measure = measures.MAIN[0]
    blocks, csv_lines = [], []
    for split, column in _planned(table, variants) or [(_SPLIT, Column(_DATASET, _DATASET))]:
        lines = []
        covariance = covariance_from(predictions)
        for variant in variants:
            cell = table.cells.get((split, column.label, variant.label, measure.name))
            printed = _printed(table, split, column.name, column.label, variant)
            mean = None if cell is None else cell.mean
            gap = None if mean is None or printed is None else mean - printed
            whole = (
                gap_over_seeds(table, split, column, variant.label, _METHOD, covariance)
                if variant.label != _METHOD
                else None
            )
            lines.append(
                line(
                    *(_WORDS.get(text, text) for text in variant.names),
                    variant.label,
                    ours(cell),
                    paper(printed),
                    "" if gap is None else fixed(gap),
                    *_against_whole(whole),
                )
            )
            csv_lines.append(
                (column.label, split, variant.label, *variant.names, *_numbers(cell), printed,
                 gap, STAND_INS.get(column.name, ""), *_whole_numbers(whole))
            )  # fmt: skip
        headings = (*_NAMES[name], "method", f"{measure.heading} (ours)",
                    f"{measure.heading} (paper)", "difference",
                    f"minus {_METHOD}", "95 % interval")  # fmt: skip
        blocks.append(
            Section(
                f"{dataset_heading(column)}, {split} split",
                tuple(Heading(text) for text in headings),
                tuple(lines),
            )
        )
    return Report(
        name,
        _TITLES[name],
        (),
        (*_notes(name, variants), *_absent(table, variants), *marks(table)),
        tuple(blocks),
        ("dataset", "split", "method", *(text.replace(" ", "_") for text in _NAMES[name]), "mean",
         "std", "n", "expected", "failed", "published", "difference", "stands_in_for",
         "minus_whole", "low", "high", "pairs"),
        tuple(csv_lines),
    )  # fmt: skip


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


def _whole_numbers(gap: Difference | None) -> tuple[float | None, ...]:
    return (gap.mean, gap.low, gap.high, gap.pairs) if gap else (None, None, None, None)


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
