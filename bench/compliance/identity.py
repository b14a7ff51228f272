"""The rule that a job id is the hash of what its record says was asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench.compliance.rules import name_of
from bench.compliance.violation import Violation
from bench.data.featurise import VERSION as FEATURISER_VERSION
from bench.training.loop import VERSION as LOOP_VERSION

Json = Mapping[str, Any]


def violations_of_identity(record: Json) -> Iterator[Violation]:
    """Whether a record of this version, and of right shape, has the id of its job.

    Records of earlier versions of featuriser or loop have other ids; no plan asks for them.
    """
    expected = job_id_of(record["job"], record["data"]["content_sha256"])
    if record["job_id"] != expected:
        yield Violation(
            "job id",
            name_of(record),
            f"expected the id {expected} of what was asked for by job and data.content_sha256, "
            f"but got {record['job_id']}.",
        )


def job_id_of(job: Json, content_sha256: str) -> str:
    """The id of a job from what :meth:`bench.sweep.plan.Job.to_json` says of it.

    Labels are left out: they are names for people.
    """
    identity = {key: value for key, value in job.items() if key != "requires" or value}
    for kind in ("dataset", "split", "method"):
        identity[kind] = _unlabelled(job[kind])
    identity["backbones"] = {kind: _unlabelled(part) for kind, part in job["backbones"].items()}
    identity["content_sha256"] = content_sha256
    identity["featuriser_version"] = FEATURISER_VERSION
    identity["loop_version"] = LOOP_VERSION
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _unlabelled(part: Json) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "label"}
