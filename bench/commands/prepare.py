"""Find a data set's file and open or build its features, with progress."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.commands.console import console
from bench.commands.progress import LiveStep
from bench.data.obtain import Located, obtain
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.dataset import DATASETS
from bench.sweep.plan import Part


@dataclass(frozen=True)
class Ready:
    """A data set of the grid with its file found and its features built."""

    located: Located
    prepared: PreparedData


def prepare_dataset(part: Part, data_dir: Path | None, cache: Path, cores: int) -> Ready:
    """Make a data set ready for splitting, and say in a line what it is."""
    dataset = DATASETS.get(part.name).cls(part.options)
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
    unusable = f"; {len(prepared.unusable)} rows unusable" if prepared.unusable else ""
    console.print(
        f"{part.label}: {len(prepared):,} samples, {prepared.num_classes} classes, from "
        f"{located.path.name} ({located.origin}){unusable}",
        markup=False,
    )
    return Ready(located, prepared)
