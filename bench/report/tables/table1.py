"""Table 1: the data sets as found, beside the paper's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.document.numbers import HOLE, fixed
from bench.report.document.report import (
    Entry,
    Kind,
    Report,
    Section,
    Value,
    dataset_heading,
    line,
    marks,
    plain_headings,
)
from bench.report.model.cells import Table
from bench.report.model.published import PAPER, STAND_INS, of_paper, published

Facts = tuple[int | None, int | None, float | None]
_NOTHING: Facts = (None, None, None)


def table1(table: Table, records: Sequence[Mapping[str, Any]]) -> Report:
    """Table 1 from run records: the paper's data sets in its order, then the others of `table`.

    Where no data set of `table` is the paper's, those of the paper are left out.

    Parameters
    ----------
    table : Table
        The sweep.
    records : sequence of mapping
        Its complete runs.
    """
    sizes = published().sizes
    found = _facts(records)
    headings = {column.label: dataset_heading(column) for column in table.columns}
    names = {column.label: column.name for column in table.columns}
    if of_paper(names.values()):
        # In whatever form we have them, and those that we lack by the paper's name.
        names |= {name: name for name in sizes if name not in names.values()}
        order = {name: place for place, name in enumerate(sizes)}
        names = dict(sorted(names.items(), key=lambda one: order.get(one[1], len(order))))
    lines, csv_lines = [], []
    for label, name in names.items():
        printed: Facts = _NOTHING
        if name in sizes:
            size = sizes[name]
            printed = size.size, size.classes, size.imbalance_ratio
        own = found.get(label, _NOTHING)
        pairs = [entry for pair in zip(_entries(own, "ours"), _entries(printed, "paper"),
                                       strict=True) for entry in pair]  # fmt: skip
        lines.append(line(headings.get(label, label), *pairs))
        values: list[Value] = [value for pair in zip(own, printed, strict=True) for value in pair]
        csv_lines.append((label, *values, STAND_INS.get(name, "")))
    facts = ("samples", "classes", "imbalance ratio")
    return Report(
        "table1",
        "Table 1: data sets",
        (),
        (
            ("Samples", "usable rows of the data file, as the runs found them."),
            (
                "Imbalance ratio",
                "the largest class over the smallest, over all sets of a split that leaves no "
                f"sample out; {HOLE} where no run has such a split.",
            ),
            ("Source", f"Table 1 of {PAPER}."),
            *marks(table),
        ),
        (
            Section(
                "",
                plain_headings(["data set", *(f"{fact} ({whose})" for fact in facts
                                              for whose in ("ours", "paper"))]),
                tuple(lines),
            ),
        ),
        ("dataset", *(name for fact in ("samples", "classes", "imbalance_ratio")
                      for name in (fact, f"{fact}_published")), "stands_in_for"),
        tuple(csv_lines),
    )  # fmt: skip


def _facts(records: Sequence[Mapping[str, Any]]) -> dict[str, Facts]:
    """Samples, classes and imbalance ratio by label of the data set."""
    found: dict[str, Facts] = {}
    for record in sorted(records, key=lambda record: str(record["job_id"])):
        data = record["data"]
        parts = (data["train_counts"], data["valid_counts"], data["test_counts"])
        counts = [sum(of_class) for of_class in zip(*parts, strict=True)]
        whole = sum(counts) == data["samples"] and min(counts) > 0
        known = found.get(record["job"]["dataset"]["label"])
        if known is None or (whole and known[2] is None):
            ratio = max(counts) / min(counts) if whole else None
            found[record["job"]["dataset"]["label"]] = (data["samples"], len(counts), ratio)
    return found


def _entries(facts: Facts, kind: Kind) -> tuple[Entry, Entry, Entry]:
    samples, classes, ratio = facts
    nothing = Entry(HOLE)
    return (
        nothing if samples is None else Entry(f"{samples:,}", kind),
        nothing if classes is None else Entry(str(classes), kind),
        nothing if ratio is None else Entry(fixed(ratio), kind),
    )
