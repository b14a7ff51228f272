"""METHODS.md: every method by its family, made from the registry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.commands.console import console
from bench.errors import UsageError
from bench.files import write_atomically
from bench.method import METHODS
from bench.report.model.registered import summary_of

PAGE = Path(__file__).parents[2] / "METHODS.md"

# What a method changes, to the methods that do. Ones that need a package stand here too.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Weights of classes and samples": (
        "vanilla", "cost_sensitive", "cb", "cb_focal", "focal", "ib", "asl",
    ),
    "The prior in the logits": (
        "balanced_softmax", "logit_adjustment", "cdt", "vs", "ldam_drw",
    ),
    "Sampling and mixing": (
        "class_balanced_sampling", "pb_sampling", "mixup", "remix",
    ),
    "A second stage on a finished run": ("decoupling", "lws", "smote", "selmix"),
    "Only the decision": (
        "vanilla_tuned", "posthoc", "logit_adjustment_posthoc", "tau_norm", "ncm", "gda",
    ),
    "Contrast": (
        "sdr", "sdr_joint", "sdr_la", "sdr_released", "acl", "afcl", "fcl", "bcl", "gml",
        "contrast_to_ce", "spcl", "score",
    ),
    "Several heads or teachers": ("bbn", "dive", "ride", "tlc", "rf_dlc"),
    "Another objective, step or activation": ("encouraging", "anyloss", "imbsam", "aglu"),
    "Another model, or several": (
        "ecfp_forest", "balanced_forest", "gbdt", "nearest_neighbour", "majority",
        "self_paced_ensemble", "chemprop", "calibrated_stack", "diverse_stack",
    ),
}  # fmt: skip

_HEAD = """\
# Methods

One method, one file in `methods/`. `python run_bench.py --list NAME` shows a card: formula,
settings, cost, when it helps, and what differs from the original. This page is written by
`python run_bench.py update-methods`.

Some methods do not correct for class frequency, and balanced accuracy mostly shows that: `vanilla`,
`focal`, `mixup`, `sdr`, `sdr_joint`, `acl`, `afcl`, `fcl`, `encouraging`, `imbsam`,
`contrast_to_ce`, `spcl`, `asl` and `score`. Run `posthoc[method=NAME]` beside them: it does so on
their finished run.

`--preset related` runs sixteen methods of neighbouring papers beside five baselines;
`results/details.md` has what came of it.
"""


def write_methods_page() -> int:
    """Bring METHODS.md up to date."""
    new = methods_page()
    try:
        old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    except OSError as error:
        raise UsageError(f"Expected to read {PAGE}, but got: {error.strerror}.") from None
    if new == old:
        console.print(f"{PAGE} is up to date.")
    else:
        write_atomically(PAGE, new.encode())
        console.print(f"Written: {PAGE}")
    return 0


def methods_page() -> str:
    """Every usable method by family and name, as Markdown.

    Cells are not padded, so that a new method changes one line.

    Raises
    ------
    UsageError
        A method is in no family, or in two.
    """
    names = METHODS.names()
    listed = [name for family in FAMILIES.values() for name in family]
    if wrong := [name for name in names if listed.count(name) != 1]:
        raise UsageError(
            f"Expected each method in one family, but {', '.join(wrong)} is in none or in two. "
            "Mend FAMILIES in bench/commands/methods_page.py."
        )
    parts = [_HEAD]
    for title, family in FAMILIES.items():
        rows = [_row(name) for name in sorted(family) if name in names]
        table = [("name", "row", "what it does", "source"), ("---",) * 4, *rows]
        lines = "\n".join(f"| {' | '.join(row)} |" for row in table)
        parts.append(f"## {title}\n\n{lines}\n")
    return "\n".join(parts)


def _row(name: str) -> tuple[str, ...]:
    entry = METHODS.get(name)
    facts = (entry.facts["title"], summary_of(name), entry.facts["reference"])
    return f"`{name}`", *map(_cell, facts)


def _cell(text: str) -> str:
    """One line of Markdown; docstrings mark code with two backticks."""
    return " ".join(text.split()).replace("|", "\\|").replace("``", "`")
