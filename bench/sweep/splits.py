"""The split of one job, with the chemistry that some splits need."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.data.prepare import scaffolds
from bench.data.prepared import PreparedData
from bench.split import Split, make_split
from bench.sweep.plan import Part


def split_of(
    prepared: PreparedData, part: Part, seed: int, *, cache_dir: Path
) -> tuple[Split, np.ndarray | None]:
    """The split, and the scaffold numbers it was made from where it needs them."""
    groups = scaffolds(prepared, cache_dir=cache_dir) if part.facts["needs_scaffolds"] else None
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
    return split, groups
