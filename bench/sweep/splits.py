"""The split of one job, with the chemistry that some splits need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.clusters import CUTOFF, sample_clusters
from bench.data.featurise import Progress
from bench.data.prepare import molecule_numbers, scaffolds
from bench.data.prepared import PreparedData
from bench.data.similarity import LAST
from bench.errors import SplitError, UsageError
from bench.split import Split, make_split
from bench.sweep.plan import Part

# What a file may say of its rows: in words, on the command line, and among a data set's options.
_COLUMNS = {
    "dates": ("dates", "--date-col", "date_column"),
    "split_column": ("a column of train, valid and test", "--split-col", "split_column"),
}


def require_columns(datasets: Sequence[Part], splits: Sequence[Part]) -> None:
    """Refuse a split that reads a column of a file which is not named, before a file is read.

    A data set without an option for the column may have it all the same, as its reader decides;
    if not, :func:`split_of` refuses it.

    Raises
    ------
    UsageError
        For the first such data set and split.
    """
    for dataset in datasets:
        for split in splits:
            for need in split.facts["needs"]:
                option = _COLUMNS[need][2] if need in _COLUMNS else None
                if option and getattr(dataset.options, option, "") is None:
                    raise _no_column(need, dataset.label, split)


def molecules_counted(part: Part, prepared: PreparedData) -> tuple[int, ...]:
    """Which molecules of a sample the split is about, by their places.

    Those that its option ``molecules`` names, as that of ``cold_drug`` does; else the last, whose
    scaffold or cluster other splits read.
    """
    chosen = str(getattr(part.options, "molecules", "last"))
    several = sum(entity.kind == "molecule" for entity in prepared.entities)
    return {"both": tuple(range(several)), "first": (0,), "second": (1,)}.get(chosen, (LAST,))


def split_of(
    prepared: PreparedData,
    part: Part,
    seed: int,
    *,
    cache_dir: Path,
    cores: int = 1,
    on_progress: Progress | None = None,
    called: str | None = None,
) -> tuple[Split, np.ndarray | None]:
    """The split, and the scaffold numbers it was made from where it needs them.

    Parameters
    ----------
    prepared, part, seed, cache_dir, cores, on_progress
    called : str, optional
        What messages call the data set: a file of the user's has the name `csv` whatever it holds.

    Raises
    ------
    SplitError
        No such split of these samples exists; the message names data set, seed and classes.
    """
    called = called or prepared.name
    needed = {
        need: _needed(need, prepared, part, called, cache_dir, cores, on_progress)
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
            f"Data set {called}, {part.label} split, seed {seed}: {error}"
            f"{f' ({named}.)' if named else ''}"
        ) from None
    return split, needed.get("scaffolds")


def _needed(
    need: str,
    prepared: PreparedData,
    part: Part,
    called: str,
    cache_dir: Path,
    cores: int,
    on_progress: Progress | None,
) -> Any:
    """What :class:`bench.split.Samples` calls `need`."""
    if need in _COLUMNS:
        texts = getattr(prepared, need)
        if texts is None:
            raise _no_column(need, called, part)
        return texts
    if need == "molecules":
        return molecule_numbers(prepared)
    if need == "clusters":
        cutoff = getattr(part.options, "cutoff", CUTOFF)
        return sample_clusters(
            prepared, cutoff, cache_dir=cache_dir, jobs=cores, on_progress=on_progress
        )
    return scaffolds(prepared, cache_dir=cache_dir, jobs=cores, on_progress=on_progress)


def _no_column(need: str, dataset: str, split: Part) -> UsageError:
    what, option, _ = _COLUMNS[need]
    return UsageError(
        f"Expected {what} in the data set {dataset} for its {split.label} split, but it has none. "
        f"Name the column of a file of yours with {option}, or choose another split."
    )
