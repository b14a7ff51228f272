"""Embeddings of finished runs, for the figures that need weights and data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.backbone import BACKBONES
from bench.commands.console import warn
from bench.data.cache import default_folder
from bench.data.obtain import locate
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.errors import BenchError, DataError
from bench.report.figures import Embedding, Source
from bench.split import SPLITS, Split
from bench.sweep.local import default_jobs
from bench.sweep.plan import dataset_part, open_dataset
from bench.sweep.splits import split_of
from bench.sweep.store import Store
from bench.sweep.stored_jobs import part_of

_SUBCLUSTERS = "method.subcluster_of"


def embeddings_of(store: Store, source: Source, data_dir: Path | None = None) -> list[Embedding]:
    """The training set as seen by the first complete seed of each method with sub-clusters.

    A run whose weights or data are not at hand is named in a warning and left out; nothing is
    downloaded.
    """
    datasets = source.table.settings.get("datasets", {})
    found = []
    for split, column in source.places():
        for row in source.rows(split, column):
            runs = source.runs(split, column, row)
            if not runs or not _reports_subclusters(runs[min(runs)]):
                continue
            record = runs[min(runs)]
            try:
                found.append(_embed(store, record, datasets, data_dir))
            except (BenchError, OSError) as error:
                warn(f"No embeddings of {row.label} on {column.label}, {split} split: {error}")
    return found


def _reports_subclusters(record: Mapping[str, Any]) -> bool:
    history = record["history"]
    return bool(history) and "subclusters" in history[-1].get("method", {})


def _embed(
    store: Store, record: Mapping[str, Any], datasets: Mapping[str, str], data_dir: Path | None
) -> Embedding:
    import torch

    from bench.models.network import build_network
    from bench.training.view import SplitView

    weights = {
        name: torch.from_numpy(array) for name, array in store.weights(record["job_id"]).items()
    }
    job = record["job"]
    prepared = _prepared(record, datasets, data_dir)
    split = _split(record, prepared)
    encoders = {
        kind: part_of(BACKBONES, part, "backbone") for kind, part in job["backbones"].items()
    }
    network = build_network(
        prepared,
        {kind: (part.name, part.options) for kind, part in encoders.items()},
        seed=job["seed"],
        precision=job["training"]["precision"],
    )
    prefix = "network."
    network.load_state_dict(
        {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}
    )
    view = SplitView(network.collator(prepared), split, torch.device("cpu"))
    clusters = weights[_SUBCLUSTERS].numpy().astype(np.int64)
    return Embedding(
        record["job_id"],
        view.embeddings(network, "train").numpy(),
        prepared.labels[split.train],
        clusters[split.train],
    )


def _prepared(
    record: Mapping[str, Any], datasets: Mapping[str, str], data_dir: Path | None
) -> PreparedData:
    """The data of a run; `datasets` is label to what the command line calls it."""
    label = record["job"]["dataset"]["label"]
    part = dataset_part(datasets.get(label, label))
    dataset = open_dataset(part)
    located = locate(dataset, data_dir=data_dir)
    if located is None:
        raise DataError(
            f"Expected the file of {part.label} in the folder of the data, but it is not there. "
            "Name its folder with --data-dir."
        )
    prepared = prepare(
        part.name, dataset, located.path, located.sha256, cache_dir=default_folder(),
        jobs=default_jobs(),
    )  # fmt: skip
    expected = record["data"]["content_sha256"]
    if prepared.content_sha256 != expected:
        raise DataError(
            f"Expected the samples {expected[:12]} that the run saw, but {located.path} holds "
            f"{prepared.content_sha256[:12]}. Put the file of the run in its place."
        )
    return prepared


def _split(record: Mapping[str, Any], prepared: PreparedData) -> Split:
    job, expected = record["job"], record["data"]["split_hash"]
    split, _ = split_of(
        prepared, part_of(SPLITS, job["split"], "split"), job["seed"], cache_dir=default_folder()
    )
    if split.hash != expected:
        raise DataError(
            f"Expected the split {expected[:12]} that the run saw, but got {split.hash[:12]}. "
            "Run the benchmark again with this version."
        )
    return split
