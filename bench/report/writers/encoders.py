"""Method or encoder? Balanced accuracy by both, and how its variance divides between them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from bench.report.document.numbers import counted, fixed
from bench.report.document.report import ours
from bench.report.model.cells import Cell, Row, Table
from bench.report.model.measures import MAIN
from bench.report.writers.csv_files import csv_text
from bench.report.writers.markdown import escape
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
                (method, encoder): cell
                for method in methods
                for encoder in encoders
                if encoder in rows[method]
                and (cell := table.cell(split, column, rows[method][encoder], MAIN[0])) is not None
            }
            parts += [f"## {escape(f'{column.label}, {split} split')}"]
            parts.append(_markdown(methods, encoders, matrix))
            for (method, encoder), cell in matrix.items():
                moments = ["" if one is None else fixed(one, 4) for one in (cell.mean, cell.std)]
                lines.append([column.label, split, "cell", method, encoder, *moments,
                              str(cell.n), "", "", ""])  # fmt: skip
            seeds = _shared_seeds(methods, encoders, matrix)
            found = _analysis(methods, encoders, matrix, seeds)
            parts.append(sentence(found))
            if found is not None and any(cell.n > len(seeds) for cell in matrix.values()):
                parts[-1] += f" Of {counted(len(seeds), 'seed')} that all of them have."
            for name in _PARTS if found is not None else ():
                part = getattr(found, name)
                p = "" if part.p is None else f"{part.p:.4g}"
                lines.append([column.label, split, name, "", "", "", "", "", str(part.degrees),
                              f"{part.share:.4f}", p])  # fmt: skip
    texts = "\n\n".join(parts) + "\n", csv_text(_HEADER, lines)
    return dict(zip(FILES, texts, strict=True))


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


def _shared_seeds(
    methods: list[str], encoders: list[str], matrix: dict[tuple[str, str], Cell]
) -> list[int]:
    """Those that all have; none where a method lacks an encoder."""
    pairs = [(method, encoder) for method in methods for encoder in encoders]
    if any(pair not in matrix for pair in pairs):
        return []
    return sorted(set.intersection(*(set(matrix[pair].values) for pair in pairs)))


def _analysis(
    methods: list[str],
    encoders: list[str],
    matrix: dict[tuple[str, str], Cell],
    seeds: list[int],
) -> TwoWay | None:
    if len(seeds) < 2:
        return None
    scores = [[[matrix[m, e].values[seed] for seed in seeds] for e in encoders] for m in methods]
    return two_way(np.array(scores))


def _markdown(
    methods: list[str],
    encoders: list[str],
    matrix: dict[tuple[str, str], Cell],
) -> str:
    lines = [["method", *encoders], ["---", *["---:"] * len(encoders)]]
    for method in methods:
        entries = [ours(matrix.get((method, encoder))) for encoder in encoders]
        lines.append([method, *(entry.text + entry.after for entry in entries)])
    return "\n".join(f"| {' | '.join(map(escape, line))} |" for line in lines)
