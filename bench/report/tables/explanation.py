"""What the gain of the paper's method is due to, in a sentence that the numbers choose."""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.document.numbers import HOLE, fixed, interval
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
    plain_headings,
)
from bench.report.model.cells import Cell, Column, Table
from bench.report.model.measures import MAIN
from bench.report.model.paired_cells import gap_over_seeds, said_of
from bench.report.model.published import STAND_INS
from bench.report.model.sampling_variance import Covariance, Predictions, covariance_from
from bench.statistics import Difference, Sign

# The rows that the explanation is made of.
ROWS = (
    "vanilla", "vanilla_tuned", "ecfp_forest", "balanced_softmax", "cost_sensitive",
    "class_balanced_sampling", "sdr", "sdr_joint", "sdr_released", "sdr_la",
)  # fmt: skip
_METHOD, _BASE = "sdr", "vanilla"
# What only makes up for the sizes of the classes, without contrast or clusters.
_REBALANCING = ("vanilla_tuned", "balanced_softmax", "cost_sensitive", "class_balanced_sampling")
# First against second, and what sets them apart.
_PAIRS = (
    ("sdr", "vanilla", "the whole method"),
    ("vanilla_tuned", "vanilla", "moving the decision threshold"),
    ("balanced_softmax", "vanilla", "training under the class prior"),
    ("cost_sensitive", "vanilla", "weighting classes in the loss"),
    ("class_balanced_sampling", "vanilla", "drawing classes equally often"),
    *(("sdr", simple, "more than making up for class sizes") for simple in _REBALANCING),
    ("sdr", "sdr_joint", "encoder and classifier trained apart"),
    ("sdr_la", "sdr_joint", "the log prior in the joint loss"),
    ("sdr_released", "class_balanced_sampling", "the released code's contrast"),
    ("vanilla", "ecfp_forest", "a graph network, not a forest on fingerprints"),
)
_WORDS: dict[Sign, str] = {
    "above": "gains",
    "below": "loses",
    "alike": "not significantly different",
}


@dataclass(frozen=True)
class Compared:
    """First minus second in points, over the seeds that both have."""

    first: str
    second: str
    what: str
    difference: Difference

    @property
    def note(self) -> str:
        """What a sentence about it must say of its seeds."""
        return said_of(self.difference.pairs)


def explanation(table: Table, predictions: Predictions) -> Report:
    """Put the methods side by side that differ by one part of the method, and say what it does.

    Parameters
    ----------
    table : Table
        The sweep.
    predictions : callable
        True and predicted labels of a job id.
    """
    paragraphs, blocks, csv_lines = [], [], []
    for split in table.splits:
        for column in table.columns_of(split):
            where = f"{dataset_heading(column)}, {split} split"
            covariance = covariance_from(predictions)
            compared = [
                found
                for first, second, what in _PAIRS
                if (found := _compare(table, split, column, (first, second, what), covariance))
            ]
            paragraphs.append(f"{where}: {_verdict(compared)}")
            blocks.append(_side_by_side(table, split, column))
            if compared:
                blocks.append(_differences(where, compared))
            for item in compared:
                gap = item.difference
                values: tuple[Value, ...] = (gap.mean, gap.low, gap.high, gap.pairs, gap.sign)
                values += (STAND_INS.get(column.name, ""),)
                csv_lines.append((column.label, split, item.first, item.second, *values))
    return Report(
        "explanation",
        "What the gain of the paper's method is due to",
        tuple(paragraphs),
        (
            ("Figures", "balanced accuracy in percent; differences in points, first minus second."),
            (
                "Interval",
                "95 %, by Student's t. Its variance is that of the test samples, from the stored "
                "predictions, with that of training, from the residuals of the two methods by "
                "seeds: the model of bold in Table 2, which holds for new seeds and splits of this "
                "data set. From one trained pair, training cannot be seen: the variance is that of "
                "the test samples, and the interval holds for these two networks only. A gain or "
                "loss is claimed when the interval leaves out 0; each interval stands alone, "
                "without correction for their number.",
            ),
            *marks(table),
        ),
        tuple(blocks),
        (
            "dataset",
            "split",
            "first",
            "second",
            "difference",
            "low",
            "high",
            "n",
            "sign",
            "stands_in_for",
        ),
        tuple(csv_lines),
    )


def _compare(
    table: Table,
    split: str,
    column: Column,
    pair: tuple[str, str, str],
    covariance: Covariance,
) -> Compared | None:
    """None without a seed that both methods have finished."""
    first, second, what = pair
    gap = gap_over_seeds(table, split, column, first, second, covariance)
    return None if gap is None else Compared(first, second, what, gap)


def _verdict(compared: list[Compared]) -> str:
    """What the gain is due to, as far as the rows that are there can say."""
    found = {(item.first, item.second): item for item in compared}
    gain = found.get((_METHOD, _BASE))
    if gain is None:
        return f"No seed has runs of both {_METHOD} and {_BASE}: there is no gain to explain."
    against_base = f"{_BASE}{gain.note}"
    if gain.difference.sign == "alike":
        return (
            f"{_METHOD} is not significantly different from {against_base}: there is no gain to "
            "explain."
        )
    if gain.difference.sign == "below":
        return f"{_METHOD} is below {against_base}: there is no gain to explain."
    rivals = [item for simple in _REBALANCING if (item := found.get((_METHOD, simple)))]
    if not rivals:
        return (
            f"{_METHOD} is above {against_base}; whether making up for class sizes alone would do "
            f"as much cannot be said without {', '.join(_REBALANCING)}."
        )
    reached = [item for item in rivals if item.difference.sign != "above"]
    if reached:
        return (
            f"{_METHOD} is above {against_base}, but not above {_names(reached)}: nothing shows "
            "that the gain is due to more than making up for class sizes."
        )
    return (
        f"{_METHOD} is above {against_base} and above {_names(rivals)}: the gain is not only due "
        "to making up for class sizes."
    )


def _names(rivals: list[Compared]) -> str:
    return ", ".join(f"{item.second}{item.note}" for item in rivals)


def _side_by_side(table: Table, split: str, column: Column) -> Section:
    headings = {row.label: row.heading for row in table.rows}
    cells: dict[str, Cell | None] = {
        name: table.cells.get((split, column.label, name, MAIN[0].name)) for name in ROWS
    }
    return Section(
        f"{dataset_heading(column)}, {split} split",
        (Heading("method"), Heading("row"), Heading(MAIN[0].heading)),
        tuple(line(name, headings.get(name, HOLE), ours(cell)) for name, cell in cells.items()),
    )


def _differences(where: str, compared: list[Compared]) -> Section:
    return Section(
        f"Differences, {where}",
        plain_headings(
            ("part", "first", "second", "points", "95 % interval", "n", "first against second")
        ),
        tuple(
            line(
                item.what,
                item.first,
                item.second,
                fixed(item.difference.mean),
                interval((item.difference.low, item.difference.high)),
                str(item.difference.pairs),
                Entry(
                    _WORDS[item.difference.sign] + item.note,
                    "plain" if item.difference.sign == "alike" else "flag",
                ),
            )
            for item in compared
        ),
    )
