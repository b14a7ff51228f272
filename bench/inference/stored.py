"""Models of a benchmark's runs, as they lie in a results folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import cache
from bench.data.obtain import locate
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.data.similarity import sample_fingerprints
from bench.dataset import DATASETS, Dataset
from bench.errors import BenchError, ModelError
from bench.files import kind_of
from bench.inference.card import Card, Input, Part
from bench.inference.folder import refusal
from bench.inference.order import order_of
from bench.inference.predictors import Learned
from bench.inference.trained import TrainedModel
from bench.spec import Spec, check_options
from bench.split import SPLITS
from bench.sweep.plan import dataset_part
from bench.sweep.splits import split_of
from bench.sweep.store import Store
from bench.sweep.stored_jobs import part_of
from bench.training.settings import SELECT_BY

Json = Mapping[str, Any]

log = logging.getLogger(__name__)


def read_run(folder: Path, *, data_dir: Path | None = None) -> TrainedModel:
    """The model of a stored run.

    Raises
    ------
    ModelError
        The run is damaged, keeps no model, or lacks what it depends on.
    """
    folder = folder.absolute()
    store = Store(folder.parent.parent)
    record = _record(store, folder.name)
    prepared = _data_of(record, store, data_dir)
    if prepared is None:
        log.warning(
            "The data set of %s is not here: predictions may differ from the stored ones in their "
            "last bits, and there is no similarity to training molecules. Name its folder with "
            "--data-dir.",
            folder,
        )
    return _model(store, record, prepared)


def _record(store: Store, job_id: str) -> Json:
    folder = store.root / "runs" / job_id
    record, problem = store.examine(job_id)
    if problem is not None:
        raise refusal(folder, problem)
    if not store.has_weights(job_id):
        raise ModelError(
            f"Expected a run with its model in {folder}, but it was not kept. Run the benchmark "
            "again with --keep-models all, after removing the folder."
        )
    found: Json = record
    return found


def _model(store: Store, record: Json, prepared: PreparedData | None) -> TrainedModel:
    job_id, job = record["job_id"], record["job"]
    card = _card(record, prepared, store.root / "runs" / job_id)
    members = {}
    weights = store.weights(job_id)
    objects = store.objects(job_id)
    training: dict[str, np.ndarray] = {}
    if weights or objects is None or not job["requires"]:
        training = _training(record, prepared, ordered=bool(weights))
    else:
        members = {
            role: _model(store, _record(store, needed), prepared)
            for role, needed in job["requires"].items()
        }
    return TrainedModel(card, Learned(weights, objects, training), members)


def _card(record: Json, prepared: PreparedData | None, folder: Path) -> Card:
    job, data, provenance = record["job"], record["data"], record["provenance"]
    selection = record["selection"]
    inputs, categories = data.get("inputs"), data.get("categories", ())
    if prepared is not None:
        inputs = [[entity.name, entity.kind] for entity in prepared.entities]
        categories = prepared.categories
    if inputs is None:
        raise ModelError(
            f"Expected the inputs of every sample in the record of {folder}, but it was made "
            f"before records had them, and its data set, {job['dataset']['label']}, is not here. "
            "Name the folder of its file with --data-dir."
        )
    packages = {name: version for name, version in provenance["packages"].items() if version}
    return Card(
        bench=provenance["bench"],
        made=record["time"]["finished"],
        data=job["dataset"]["label"],
        inputs=tuple(Input(name=name, kind=kind) for name, kind in inputs),
        categories=tuple(categories),
        standardise=job["dataset"]["options"].get("standardise", False),
        class_names=tuple(data["class_names"]),
        train_counts=tuple(data["train_counts"]),
        valid_counts=tuple(data["valid_counts"]),
        method=Part(**job["method"]),
        backbones={kind: Part(**part) for kind, part in job["backbones"].items()},
        training=job["training"],
        seed=job["seed"],
        epoch=selection["epoch"],
        valid={
            selection.get("by", SELECT_BY): selection.get("value"),
            SELECT_BY: selection["valid_balanced_accuracy"],
        },
        versions={"python": provenance["python"], **packages},
        sources=record.get("sources") or {},
        job_id=record["job_id"],
    )


def _training(
    record: Json, prepared: PreparedData | None, *, ordered: bool
) -> dict[str, np.ndarray]:
    """What a model keeps of its training data, where that is here; `ordered` one of a network."""
    if prepared is None:
        return {}
    job = record["job"]
    part = part_of(SPLITS, job["split"], "split")
    split, _ = split_of(prepared, part, job["seed"], cache_dir=cache.default_folder())
    arrays = order_of(prepared.graphs) if ordered else {}
    molecules = any(entity.kind == "molecule" for entity in prepared.entities)
    if molecules and split.hash == record["data"]["split_hash"]:
        bits = sample_fingerprints(prepared)[split.train]
        arrays["fingerprints"] = np.unique(bits, axis=0)
    return arrays


def _data_of(record: Json, store: Store, data_dir: Path | None) -> PreparedData | None:
    """The data of a run, where its file is found and still has the same samples."""
    asked = record["job"]["dataset"]
    try:
        dataset = _dataset(asked, record["data"]["file"], store, data_dir)
        located = None if dataset is None else locate(dataset, data_dir=data_dir)
        if dataset is None or located is None:
            return None
        prepared = prepare(asked["name"], dataset, located.path, located.sha256)
    except BenchError as error:
        log.warning("The data set of the run cannot be read: %s", error)
        return None
    if prepared.content_sha256 != record["data"]["content_sha256"]:
        return None
    return prepared


def _dataset(asked: Json, file: str, store: Store, data_dir: Path | None) -> Dataset | None:
    """The data set object; one that is a file of the user's is where a plan says."""
    cls = DATASETS.get(asked["name"]).cls
    options = dict(asked["options"])
    if "path" in cls.options_type.model_fields:
        text = store.datasets_of_plans().get(asked["label"])
        if data_dir is not None and kind_of(data_dir / file) is not None:
            options["path"] = str(data_dir / file)
        elif text is not None:
            return cls(dataset_part(text).options)
        else:
            return None
    return cls(check_options(cls.options_type, Spec(asked["name"], options), "data set"))
