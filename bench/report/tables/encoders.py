"""Method or encoder? Balanced accuracy by both, and how its variance divides between them."""

from __future__ import annotations

import csv
import io
import statistics
from collections import defaultdict

import numpy as np

from bench.plain_text import visible
from bench.report.model.cells import Row, Table
from bench.report.model.measures import MAIN
from bench.spec import label_and_encoder
from bench.statistics.two_way import TwoWay, two_way

_LEVEL = 0.05
_SMALLEST = 0.001  # of what is printed with three places
_HEADER = ["dataset", "split", "kind", "method", "backbone", "mean", "std", "n", "degrees",
           "share", "p"]  # fmt: skip
FILES = ("encoders.md", "encoders.csv")
_PARTS = ("method", "encoder", "interaction", "seed", "residual")


def encoder_texts(table: Table) -> dict[str, str]:
    """``encoders.md`` and ``encoders.csv``; nothing without two methods and two encoders."""
    rows: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in table.rows:
        if row.encoder:
            rows[label_and_encoder(row.label)[0]][row.encoder] = row
    encoders = list(dict.fromkeys(row.encoder for row in table.rows if row.encoder))
    methods = [name for name, of_method in rows.items() if len(of_method) > 1]
    if len(methods) < 2 or len(encoders) < 2:
        return {}
    parts = [
        "# Method or encoder?",
        "Balanced accuracy in percent, mean ± standard deviation over "
        "seeds, of all methods that run with several encoders. Shares are of the sum of "
        "squares, in an analysis of variance with the seed as block (Montgomery 2013, section "
        "5.6). Test sets of several seeds share samples: p values are rather too small.",
    ]
    lines: list[list[str]] = []
    for split in table.splits:
        for column in table.columns:
            matrix = {
                (method, encoder): cell.values
                for method in methods
                for encoder in encoders
                if encoder in rows[method]
                and (cell := table.cell(split, column, rows[method][encoder], MAIN[0])) is not None
            }
            parts += [f"## {visible(column.label)}, {visible(split)} split"]
            parts.append(_markdown(methods, encoders, matrix))
            for (method, encoder), values in matrix.items():
                mean, std = _moments(values)
                lines.append([column.label, split, "cell", method, encoder, mean, std,
                              str(len(values)), "", "", ""])  # fmt: skip
            found = _analysis(methods, encoders, matrix)
            parts.append(sentence(found))
            for name in _PARTS if found is not None else ():
                part = getattr(found, name)
                p = "" if part.p is None else f"{part.p:.4g}"
                lines.append([column.label, split, name, "", "", "", "", "", str(part.degrees),
                              f"{part.share:.4f}", p])  # fmt: skip
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_HEADER, *lines])
    return dict(zip(FILES, ("\n\n".join(parts) + "\n", out.getvalue()), strict=True))


def sentence(found: TwoWay | None) -> str:
    """Which of the two matters more, and whether that is more than noise."""
    if found is None:
        return "Nothing can be tested: each method needs runs with each encoder on two seeds."
    method, encoder = found.method, found.encoder
    shares = ", ".join(f"{name} {100 * getattr(found, name).share:.0f} %" for name in _PARTS)
    significant = [
        name
        for name, part in (("method", method), ("encoder", encoder))
        if part.p is not None and part.p < _LEVEL
    ]
    if not significant:
        verdict = "Neither method nor encoder stands out from the noise of training"
    else:
        larger = "method" if method.share > encoder.share else "encoder"
        verdict = (
            f"The {larger} makes the larger difference; both stand out from the noise of training"
            if len(significant) == 2
            else f"Only the {significant[0]} stands out from the noise of training"
        )
    tested = ", ".join(
        f"{name} p {'< 0.001' if part.p < _SMALLEST else f'= {part.p:.3f}'}"
        for name, part in (("method", method), ("encoder", encoder))
        if part.p is not None
    )
    return f"{verdict} ({tested or 'no test'}). Of the variance: {shares}."


def _analysis(
    methods: list[str],
    encoders: list[str],
    matrix: dict[tuple[str, str], dict[int, float]],
) -> TwoWay | None:
    pairs = [(method, encoder) for method in methods for encoder in encoders]
    if any(pair not in matrix for pair in pairs):
        return None
    seeds = sorted(set.intersection(*(set(matrix[pair]) for pair in pairs)))
    if len(seeds) < 2:
        return None
    scores = [[[matrix[m, e][seed] for seed in seeds] for e in encoders] for m in methods]
    return two_way(np.array(scores))


def _moments(values: dict[int, float]) -> tuple[str, str]:
    numbers = list(values.values())
    mean = f"{statistics.fmean(numbers):.4f}" if numbers else ""
    return mean, f"{statistics.stdev(numbers):.4f}" if len(numbers) > 1 else ""


def _markdown(
    methods: list[str],
    encoders: list[str],
    matrix: dict[tuple[str, str], dict[int, float]],
) -> str:
    lines = [["method", *encoders], ["---", *["---:"] * len(encoders)]]
    for method in methods:
        cells = []
        for encoder in encoders:
            values = list(matrix.get((method, encoder), {}).values())
            text = f"{statistics.fmean(values):.2f}" if values else ""
            cells.append(text + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""))
        lines.append([method, *cells])
    return "\n".join(f"| {' | '.join(visible(c).replace('|', chr(92) + '|') for c in line)} |"
                     for line in lines)  # fmt: skip
