"""From a data set's file to :class:`PreparedData`, once: the next time it comes from the cache.

Opening from the cache needs neither the content of the file nor RDKit.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import cache
from bench.data.featurise import Progress, scaffold_keys
from bench.data.left_out import TooManyBadError, too_many
from bench.data.prepared import EntityIndex, PreparedData
from bench.data.prepared_arrays import assemble, build_arrays
from bench.data.same_bytes import read_bytes_of
from bench.dataset import DATASETS, MAX_BAD, Dataset
from bench.errors import DataError
from bench.sources import is_installed, sources_of


def prepare(
    name: str,
    dataset: Dataset,
    path: Path,
    data_sha256: str,
    *,
    cache_dir: Path | None = None,
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> PreparedData:
    """Read, featurise and index a data set, or open what was cached.

    Parameters
    ----------
    name : str
        Registry name of the data set.
    dataset : Dataset
        Reads the file. Its options may have a field `conflicts`, a
        :data:`~bench.data.conflicts.ConflictPolicy`, a field `standardise`, whether molecules are
        cleaned up, and a field `max_bad`, the largest share of its rows that may be bad.
    path : Path
        The file, one of ``dataset.candidates()``.
    data_sha256 : str
        Checksum of the file's bytes.
    cache_dir : Path or None
        None for :func:`bench.data.cache.default_folder`.
    jobs : int
        Processes that parse molecules; the result does not depend on it.
    on_progress : callable or None
        Called now and then with the number of distinct molecules done so far and of all.

    Raises
    ------
    DataError
        The file is not this data set, its bytes are no longer those of `data_sha256`, or more of
        its rows are bad than may be.
    """
    # Few data sets have a choice.
    max_bad = getattr(dataset.options, "max_bad", MAX_BAD)
    key = _key(name, dataset, data_sha256)
    keep = partial(cache.open_or_build, cache_dir or cache.default_folder())
    arrays = keep(
        _kind(name),
        key,
        lambda: build_arrays(
            read_bytes_of(dataset, path, data_sha256),
            path,
            conflicts=getattr(dataset.options, "conflicts", "keep"),
            standardised=getattr(dataset.options, "standardise", False),
            max_bad=max_bad,
            unordered=dataset.unordered,
            jobs=jobs,
            on_progress=on_progress,
        ),
    )
    prepared = assemble(name, arrays, data_sha256, cache.fingerprint(key))
    prepared = without_lost_classes(replace(prepared, keep=keep))
    # The limit is not in the key: features made under another one are the same.
    bad = [row for row in prepared.unusable if row.kind == "bad"]
    labelled = prepared.total_rows - sum(row.kind == "unlabelled" for row in prepared.unusable)
    if too_many(len(bad), labelled, max_bad):
        raise TooManyBadError(bad, labelled, max_bad, path)
    return prepared


def without_lost_classes(prepared: PreparedData) -> PreparedData:
    """The same data without the classes of which no sample is left, where others are two or more.

    No split could have them in its sets: a class of one row whose SMILES cannot be read would stop
    all of a user's file.
    """
    present = np.unique(prepared.labels)
    if not 2 <= len(present) < prepared.num_classes:
        return prepared
    return replace(
        prepared,
        labels=np.searchsorted(present, prepared.labels),
        class_names=tuple(prepared.class_names[k] for k in present.tolist()),
        notes=(*prepared.notes, "Classes without a usable sample are left out."),
    )


def scaffolds(
    prepared: PreparedData,
    *,
    cache_dir: Path | None = None,
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> np.ndarray:
    """Bemis-Murcko scaffold of every sample, computed when first asked for and then cached.

    The scaffold of a sample with several molecules is that of the last, the product of a reaction.
    Parameters are those of :func:`prepare`.

    Returns
    -------
    ndarray of int64, shape (M,)
        Samples with the same number share a scaffold; -1 for molecules without rings.

    Raises
    ------
    DataError
        The samples hold no molecule.
    """
    molecules = _molecule_entities(prepared)
    folder = cache_dir or cache.default_folder()

    def build() -> dict[str, np.ndarray]:
        used, place = np.unique(molecules[-1].index, return_inverse=True)
        smiles = [prepared.smiles[graph] for graph in used]
        keys = scaffold_keys(smiles, jobs=jobs, on_progress=on_progress)
        named = {scaffold: n for n, scaffold in enumerate(sorted(set(keys) - {""}))}
        groups = np.array([named.get(scaffold, -1) for scaffold in keys], np.int64)
        return {"groups": groups[place]}

    # The fingerprint covers the file, the sources that make scaffolds, and RDKit.
    key = {"prepared": prepared.fingerprint}
    return cache.open_or_build(folder, f"scaffolds-{prepared.name}", key, build)["groups"]


def molecule_numbers(prepared: PreparedData) -> list[np.ndarray]:
    """Number of each sample's molecule, equal for equal molecules; one array (M,) an input.

    Raises
    ------
    DataError
        The samples hold no molecule.
    """
    assert prepared.molecules is not None  # data of a file has them
    return [prepared.molecules[entity.index] for entity in _molecule_entities(prepared)]


def _molecule_entities(prepared: PreparedData) -> list[EntityIndex]:
    molecules = [entity for entity in prepared.entities if entity.kind == "molecule"]
    if not molecules:
        raise DataError(
            f"Expected a molecule in the samples of {prepared.name}, but got "
            f"{', '.join(entity.kind for entity in prepared.entities)}. Choose another split."
        )
    return molecules


def _kind(name: str) -> str:
    return f"prepared-{name}"


def _key(name: str, dataset: Dataset, data_sha256: str) -> dict[str, Any]:
    return {
        "data set": name,
        "data set version": DATASETS.get(name).facts["version"],
        # How a file is read is not in the identity of runs, as the content read so is.
        "data set options": dataset.options.model_dump(mode="json") | _how_it_is_read(dataset),
        "data set source": _reader_sources(name, dataset),
        "data sha256": data_sha256,
        "featuriser source": _featuriser_sources(),
        "rdkit": metadata.version("rdkit"),
    }


def _how_it_is_read(dataset: Dataset) -> dict[str, str]:
    given = {name: getattr(dataset.options, name, None) for name in ("delimiter", "sheet")}
    return {name: value for name, value in given.items() if value is not None}


def _reader_sources(name: str, dataset: Dataset) -> dict[str, str]:
    """The data set's own code, and all of its package where that is not this project's."""
    modules = {base.__module__ for base in type(dataset).__mro__} | DATASETS.get(name).modules
    own = {module for module in modules if not is_installed(module)}
    packages = {module.partition(".")[0] for module in own} - {"bench"}
    return sources_of(own, within=("bench.dataset", "bench.datasets", *packages))


def _featuriser_sources() -> dict[str, str]:
    return sources_of(["bench.data.prepared_arrays"], within=("bench.data", "bench.dataset"))
