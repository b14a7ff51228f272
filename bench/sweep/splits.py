"""The split of one job, with the chemistry that some splits need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.data.clusters import CUTOFF, sample_clusters
from bench.data.featurise import Progress
from bench.data.prepare import molecule_numbers, scaffolds
from bench.data.prepared import PreparedData
from bench.errors import SplitError, UsageError
from bench.split import Split, make_split
from bench.sweep.plan import Part

# What a file may say of its rows, and the option that names the column.
_COLUMNS = {
    "dates": ("dates", "--date-col"),
    "split_column": ("a column of train, valid and test", "--split-col"),
}


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
    needed = {
        need: _needed(need, prepared, part, cache_dir, cores, on_progress)
        for need in part.facts["needs"]
    }
    try:
        split = make_split(
            part.name,
            prepared.labels,
            prepared.num_classes,
            seed,
            prepared.name,
            options=part.options,
            identity=prepared.identity,
            rows=prepared.rows,
            **needed,
        )
    except SplitError as error:
        # Splits know classes by number only; people know them by name.
        named = ", ".join(f"class {k} is {prepared.class_names[k]!r}" for k in error.classes)
        raise SplitError(
            f"Data set {prepared.name}, {part.label} split, seed {seed}: {error}"
            f"{f' ({named}.)' if named else ''}"
            f"{' --splits random runs the random split alone.' if part.name == 'standard' else ''}"
        ) from None
    return split, needed.get("scaffolds")


def _needed(
    need: str,
    prepared: PreparedData,
    part: Part,
    cache_dir: Path,
    cores: int,
    on_progress: Progress | None,
) -> Any:
    """What :class:`bench.split.Samples` calls `need`."""
    if need in _COLUMNS:
        texts = getattr(prepared, need)
        if texts is None:
            what, option = _COLUMNS[need]
            raise UsageError(
                f"Expected {what} in the data set {prepared.name} for its {part.label} split, but "
                f"it has none. Name the column of a file of yours with {option}, or choose "
                "another split."
            )
        return texts
    if need == "molecules":
        return molecule_numbers(prepared)
    if need == "clusters":
        cutoff = getattr(part.options, "cutoff", CUTOFF)
        return sample_clusters(
            prepared, cutoff, cache_dir=cache_dir, jobs=cores, on_progress=on_progress
        )
    return scaffolds(prepared, cache_dir=cache_dir, jobs=cores, on_progress=on_progress)
