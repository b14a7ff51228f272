"""Table 1 as Markdown from data files alone, before anything ran on them."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from bench.data.describe import DataDescription
from bench.plain_text import visible
from bench.report.model.published import published
from bench.report.writers.markdown import escape


def table1_markdown(described: Sequence[tuple[str, str, DataDescription]]) -> str:
    """Table 1 as Markdown, from (label, title, description) of each data set."""
    sizes = published().sizes
    rows = []
    for label, title, facts in described:
        paper = sizes.get(facts.name)
        rows.append(
            [
                escape(title),
                "`{}`".format(visible(label).replace("|", "\\|")),
                f"{facts.rows:,}",
                f"{facts.samples:,}",
                f"{paper.size:,}" if paper else "–",
                len(facts.class_counts),
                paper.classes if paper else "–",
                f"{facts.imbalance_ratio:.2f}",
                f"{paper.imbalance_ratio:.2f}" if paper else "–",
            ]
        )
    headers = [
        "data set", "name", "rows", "usable", "rows (paper)", "classes", "classes (paper)",
        "imbalance ratio", "imbalance ratio (paper)",
    ]  # fmt: skip
    table = tabulate(
        rows,
        headers,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", "left", *["right"] * (len(headers) - 2)),
    )
    return (
        "# Table 1: data sets\n\n"
        "Imbalance ratio is the largest class over the smallest. The columns (paper) are as "
        "printed in arXiv 2504.04647; a dash means the paper does not use the data set.\n\n"
        f"{table}\n"
    )
