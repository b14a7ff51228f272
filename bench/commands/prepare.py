"""Find a data set's file and open or build its features, with progress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.commands.console import console, warn
from bench.commands.progress import LiveStep
from bench.data.left_out import summary
from bench.data.obtain import Located, obtain
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.sweep.plan import Part, open_dataset


@dataclass(frozen=True)
class Ready:
    """A data set of the grid with its file found and its features built."""

    located: Located
    prepared: PreparedData


def prepare_dataset(part: Part, data_dir: Path | None, cache: Path, cores: int) -> Ready:
    """Make a data set ready for splitting, and say in a line what it is."""
    dataset = open_dataset(part)
    with LiveStep(f"{part.label}: looking for the data") as step:
        located = obtain(dataset, data_dir=data_dir, progress=step.say)
        step.say(f"{part.label}: opening features")
        prepared = prepare(
            part.name,
            dataset,
            located.path,
            located.sha256,
            cache_dir=cache,
            jobs=cores,
            on_progress=partial(step.advance, f"{part.label}: building features of molecules"),
        )
    console.print(
        f"{part.label}: {len(prepared):,} samples, {prepared.num_classes} classes, from "
        f"{located.path.name} ({located.origin})",
    )
    if prepared.unusable:
        warn(
            f"{part.label}: {len(prepared.unusable):,} of {prepared.total_rows:,} rows are left "
            f"out: {summary(prepared.unusable)}."
            f"{undecided(row.reason for row in prepared.unusable)}"
        )
    return Ready(located, prepared)


def undecided(reasons: Iterable[str]) -> str:
    """A sentence on the rows that have a value, but no class by the cut; empty without any.

    Examples
    --------
    >>> undecided(["no label ('')", "the cut <=1000 does not decide '>500'"])
    ' Of those without a label, 1 has a value that the cut does not decide.'
    """
    count = sum(reason.startswith("the cut ") for reason in reasons)
    if not count:
        return ""
    has = "has" if count == 1 else "have"
    return f" Of those without a label, {count:,} {has} a value that the cut does not decide."
