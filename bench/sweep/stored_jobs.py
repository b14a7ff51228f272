"""The job of a stored run, made again from its record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bench.backbone import BACKBONES
from bench.errors import BenchError, StoreError
from bench.method import METHODS, Method
from bench.registry import Registry
from bench.spec import Spec, check_options, parse_spec, without_encoder
from bench.split import SPLITS
from bench.sweep.plan import Job, MethodPart, Part, dataset_part
from bench.training.settings import TrainingSettings

Json = Mapping[str, Any]


def job_of(record: Json, records: Mapping[str, Json], datasets: Mapping[str, str]) -> Job:
    """The job whose run `record` describes.

    Parameters
    ----------
    record : mapping
        Of a stored run.
    records : mapping
        By job id, those of the runs that it depends on among them.
    datasets : mapping
        Label of a data set to what the command line calls it, where that is another name; a file
        of the user's is found by it.

    Raises
    ------
    StoreError
        The present code has no such job: a plug-in is gone, or its version or options have
        changed.
    """
    asked = record["job"]
    label = asked["dataset"]["label"]
    try:
        requires = {
            role: job_of(records[job_id], records, datasets)
            for role, job_id in asked["requires"].items()
        }
        method = part_of(METHODS, asked["method"], "method")
        cls = METHODS.get(method.name).cls
        _, named = without_encoder(parse_spec(method.label))
        encoders = {
            kind: part_of(BACKBONES, part, "backbone") for kind, part in asked["backbones"].items()
        }
        job = Job(
            dataset=dataset_part(datasets.get(label, label)),
            split=part_of(SPLITS, asked["split"], "split"),
            method=MethodPart(
                method.name,
                method.label,
                method.options,
                method.facts,
                {role: needed.method for role, needed in requires.items()},
                cls.contrastive,
                None if named is None else encoders.get("molecule"),
                issubclass(cls, Method) or any(job.method.follows for job in requires.values()),
            ),
            backbones=encoders,
            seed=asked["seed"],
            training=TrainingSettings.model_validate_json(json.dumps(asked["training"])),
            content_sha256=record["data"]["content_sha256"],
            requires=requires,
        )
    except (BenchError, ValidationError) as error:
        raise _cannot(record, str(error)) from None
    except KeyError as error:
        raise _cannot(record, f"it depends on run {error}, which is not stored") from None
    if job.job_id != record["job_id"]:
        raise _cannot(record, "versions or options of its plug-ins have changed since")
    return job


def part_of(registry: Registry[Any], asked: Json, kind: str) -> Part:
    """The plug-in of `registry` that a record names; `kind` is what errors call it.

    For a data set there is :func:`bench.sweep.plan.dataset_part`: a record does not hold where a
    file is.

    Raises
    ------
    UsageError
        The present code has no such name or options.
    """
    entry = registry.get(asked["name"])
    options = check_options(entry.cls.options_type, Spec(asked["name"], asked["options"]), kind)
    return Part(asked["name"], asked["label"], options, entry.facts)


def _cannot(record: Json, reason: str) -> StoreError:
    return StoreError(f"Run {record['job_id']} cannot be trained again: {reason}.")
