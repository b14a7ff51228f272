"""The split of one job, with the chemistry that some splits need."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.data.featurise import Progress
from bench.data.prepare import scaffolds
from bench.data.prepared import PreparedData
from bench.errors import SplitError
from bench.split import Split, make_split
from bench.sweep.plan import Part


def split_of(
    prepared: PreparedData,
    part: Part,
    seed: int,
    *,
    cache_dir: Path,
    cores: int = 1,
    on_progress: Progress | None = None,
) -> tuple[Split, np.ndarray | None]:
    """The split, and the scaffold numbers it was made from where it needs them.

    Raises
    ------
    SplitError
        No such split of these samples exists; the message names data set, seed and classes.
    """
    groups = None
    if part.facts["needs_scaffolds"]:
        groups = scaffolds(prepared, cache_dir=cache_dir, jobs=cores, on_progress=on_progress)
    try:
        split = make_split(
            part.name,
            prepared.labels,
            prepared.num_classes,
            seed,
            prepared.name,
            options=part.options,
            identity=prepared.identity,
            scaffolds=groups,
        )
    except SplitError as error:
        # Splits know classes by number only; people know them by name.
        named = ", ".join(f"class {k} is {prepared.class_names[k]!r}" for k in error.classes)
        raise SplitError(
            f"Data set {prepared.name}, {part.label} split, seed {seed}: {error}"
            f"{f' ({named}.)' if named else ''}"
        ) from None
    return split, groups
