"""Tables 3 and 4: the paper's method without one of its parts, beside the paper's figures."""

from __future__ import annotations

from typing import Literal, get_args

from bench.report import measures
from bench.report.cells import Cell, Table
from bench.report.numbers import fixed
from bench.report.published import PAPER, PublishedVariant, comparable, published
from bench.report.sheet import (
    Block,
    Heading,
    Sheet,
    Value,
    dataset_heading,
    line,
    marks,
    ours,
    paper,
)

Name = Literal["table3", "table4"]
ABLATIONS: tuple[Name, ...] = get_args(Name)

_TITLES = {
    "table3": "Table 3: warm-up, and clustering again during training",
    "table4": "Table 4: which distances weight the classes",
}
_NAMES = {"table3": ("warm-up", "dynamic update"), "table4": ("reweighting",)}
_WORDS = {"": "(no name)", "class_plus_subcluster": "class + sub-cluster"}
_DATASET, _SPLIT = "uspto_50k", "standard"


def ablation(name: Name, table: Table) -> Sheet:
    """Balanced accuracy of the variants, on every data set and split of `table`.

    Parameters
    ----------
    name : str
        Which of the two tables.
    table : Table
        The sweep of the preset of that name; variants that it does not hold are holes.
    """
    variants = published().variants[name]
    measure = measures.MAIN[0]
    blocks, csv_lines = [], []
    for split in table.splits:
        for column in table.columns_of(split):
            lines = []
            for variant in variants:
                cell = table.cells.get((split, column.label, variant.label, measure.name))
                printed = _printed(table, split, column.name, column.label, variant)
                mean = None if cell is None else cell.mean
                gap = None if mean is None or printed is None else mean - printed
                lines.append(
                    line(
                        *(_WORDS.get(text, text) for text in variant.names),
                        variant.label,
                        ours(cell),
                        paper(printed),
                        "" if gap is None else fixed(gap),
                    )
                )
                csv_lines.append(
                    (column.label, split, variant.label, *variant.names, *_numbers(cell), printed,
                     gap)
                )  # fmt: skip
            headings = (*_NAMES[name], "method", f"{measure.heading} (ours)",
                        f"{measure.heading} (paper)", "difference")  # fmt: skip
            blocks.append(
                Block(
                    f"{dataset_heading(column)}, {split} split",
                    tuple(Heading(text) for text in headings),
                    tuple(lines),
                )
            )
    return Sheet(
        name,
        _TITLES[name],
        (),
        (*_notes(name, variants), *marks(table)),
        tuple(blocks),
        ("dataset", "split", "method", *(text.replace(" ", "_") for text in _NAMES[name]), "mean",
         "std", "n", "expected", "failed", "published", "difference"),
        tuple(csv_lines),
    )  # fmt: skip


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


def _notes(name: str, variants: tuple[PublishedVariant, ...]) -> list[tuple[str, str]]:
    number = name.removeprefix("table")
    return [
        ("BA", "balanced accuracy in percent, on the test part."),
        ("Source", f"Table {number} of {PAPER}: {_DATASET}, {_SPLIT} split, no deviations."),
        *(
            (_WORDS.get(variant.names[0], variant.names[0]), f"{variant.note}.")
            for variant in variants
            if variant.note
        ),
    ]
