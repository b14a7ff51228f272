"""Run records on disk: one folder a run, complete or absent.

``runs/JOB_ID/`` holds ``record.json`` (what was asked, what came out, where it came from),
``predictions.safetensors`` (labels and logits of validation and test) and ``model.safetensors``
(the selected weights). ``failures/JOB_ID.json`` says why a run failed; it goes when the run
succeeds, and it is never read as a result.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import StoreError
from bench.files import new_folder, write_atomically

SCHEMA = 1

# What reports need to know of each job of a plan.
_PLANNED = {
    *("job_id", "dataset", "dataset_label", "split", "split_label"),
    *("method", "method_label", "title", "group", "seed"),
}

log = logging.getLogger(__name__)


class Store:
    """The results folder.

    Parameters
    ----------
    root : Path
        Such as ``results``; made when the first run is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._runs = root / "runs"
        self._failures = root / "failures"

    def require_writable(self) -> None:
        """Make the folders and try them.

        Raises
        ------
        StoreError
            Nothing can be written there.
        """
        try:
            for folder in (self._runs, self._failures):
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
        except OSError as error:
            raise StoreError(
                f"Expected a results folder that can be written, but {self.root}: "
                f"{error.strerror}. Choose another one with --out."
            ) from None

    def read(self, job_id: str) -> dict[str, Any] | None:
        """The record of a finished run, or None when there is none that can be trusted.

        A damaged record is named in the log and counts as absent.
        """
        folder = self._runs / job_id
        path = folder / "record.json"
        if not folder.is_dir():
            return None
        try:
            record = json.loads(path.read_bytes())
            problem = _problem(record, job_id, folder)
        except (OSError, ValueError, RecursionError) as error:
            problem = str(error)
        if problem:
            log.warning("%s is left out, its run counts as missing: %s", path, problem)
            return None
        return record

    def records(self) -> Iterator[dict[str, Any]]:
        """All finished runs that can be trusted, of whatever plan, by job id."""
        folders = sorted(self._runs.iterdir()) if self._runs.is_dir() else []
        for folder in folders:
            if not folder.name.startswith(".") and (record := self.read(folder.name)):
                yield record

    def write(
        self,
        job_id: str,
        record: Mapping[str, Any],
        predictions: Mapping[str, np.ndarray],
        weights: Mapping[str, np.ndarray],
    ) -> None:
        """Store a finished run; a damaged folder of the same run is replaced."""
        from safetensors.numpy import save_file

        target = self._runs / job_id
        if target.exists() and self.read(job_id) is None:
            _remove(target)
        with new_folder(target) as folder:
            save_file(_contiguous(predictions), folder / "predictions.safetensors")
            save_file(_contiguous(weights), folder / "model.safetensors")
            content = {
                **record,
                "schema": SCHEMA,
                "job_id": job_id,
                "status": "complete",
                "files": {
                    file.name: hashlib.sha256(file.read_bytes()).hexdigest()
                    for file in sorted(folder.iterdir())
                },
            }
            content["checksum"] = _checksum(content)
            (folder / "record.json").write_bytes(to_json(content))
        self._failure(job_id).unlink(missing_ok=True)

    def predictions(self, job_id: str) -> dict[str, np.ndarray]:
        """Arrays by name: ``valid_labels``, ``valid_logits``, ``test_labels``, ``test_logits``."""
        from safetensors.numpy import load_file

        return load_file(self._runs / job_id / "predictions.safetensors")

    def weights(self, job_id: str) -> dict[str, np.ndarray]:
        """The selected weights, by ``network.NAME`` and ``method.NAME``."""
        from safetensors.numpy import load_file

        return load_file(self._runs / job_id / "model.safetensors")

    def write_failure(self, job_id: str, failure: Mapping[str, Any]) -> None:
        """Write down why a run failed."""
        self._failures.mkdir(parents=True, exist_ok=True)
        write_atomically(self._failure(job_id), to_json({"schema": SCHEMA, **failure}))

    def read_failure(self, job_id: str) -> dict[str, Any] | None:
        """Why the run failed last time, or None."""
        try:
            failure = json.loads(self._failure(job_id).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return failure if isinstance(failure, dict) else None

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep the last plan, from which reports know what was expected."""
        self.root.mkdir(parents=True, exist_ok=True)
        write_atomically(self.root / "plan.json", to_json(plan))

    def read_plan(self) -> dict[str, Any]:
        """The last plan.

        Raises
        ------
        StoreError
            There is none, or it cannot be read.
        """
        path = self.root / "plan.json"
        try:
            plan = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise StoreError(
                f"Expected the plan of an earlier benchmark at {path}, but there is none. "
                "Run the benchmark first, or name its folder with --out."
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(
                f"{path} cannot be read: {error}. Run the benchmark command again; finished "
                "runs are reused."
            ) from None
        if not _is_plan(plan):
            raise StoreError(
                f"Expected a plan of schema {SCHEMA} in {path}, but it is damaged or of another "
                "version. Run the benchmark command again; finished runs are reused."
            )
        return plan

    def _failure(self, job_id: str) -> Path:
        return self._failures / f"{job_id}.json"


def to_json(content: Mapping[str, Any]) -> bytes:
    """Strict JSON (no NaN), sorted and indented, UTF-8."""
    text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _is_plan(plan: Any) -> bool:
    """Whether `plan` has the shape that :func:`bench.sweep.plan.plan_document` gives it."""
    return (
        isinstance(plan, dict)
        and plan.get("schema") == SCHEMA
        and isinstance(plan.get("settings"), dict)
        and isinstance(plan.get("jobs"), list)
        and all(isinstance(job, dict) and job.keys() >= _PLANNED for job in plan["jobs"])
    )


def _problem(record: Any, job_id: str, folder: Path) -> str | None:
    """What is wrong with a record as read, or None."""
    if not isinstance(record, dict):
        return "it is not a mapping"
    if record.get("schema") != SCHEMA:
        return f"its schema is {record.get('schema')!r}, expected {SCHEMA}"
    if record.get("job_id") != job_id:
        return f"it belongs to run {record.get('job_id')!r}"
    expected = record.get("checksum")
    if _checksum({key: value for key, value in record.items() if key != "checksum"}) != expected:
        return "its checksum does not match its content"
    for name, checksum in record["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != checksum:
            return f"{name} does not match its checksum"
    return None


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(to_json(content)).hexdigest()


def _contiguous(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _remove(folder: Path) -> None:
    import shutil

    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".tmp-damaged-"))
    os.replace(folder, aside / folder.name)
    shutil.rmtree(aside)
