"""Run records on disk: one folder a run, complete or absent.

``runs/JOB_ID/`` holds ``record.json`` (what was asked, what came out, where it came from),
``predictions.safetensors`` (labels and logits of validation and test) and its model:
``model.safetensors`` (the selected weights) and, of a method without a network, ``model.skops``;
or ``model.removed``, where it was not to be kept. A run from an archive
(:mod:`bench.sweep.archive`) has ``decisions.safetensors`` in place of all these: labels and
predicted classes.
``failures/JOB_ID.json`` says why a run failed; it goes when the run succeeds, and it is never read
as a result. ``checkpoints/`` holds how far runs have come that have not ended. ``plan.json`` is the
last plan, ``plans/PRESET.json`` the last one of each preset.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench.compliance.rules import problem_of
from bench.errors import StoreError
from bench.files import (
    MOST_ARRAYS,
    MOST_DECISIONS,
    MOST_JSON,
    entries,
    kind_of,
    new_folder,
    open_regular,
    read_regular,
    remove_strays,
    strays,
    temporary_folder,
    write_atomically,
    write_new,
)
from bench.objects import arrays_from_bytes, objects_from_bytes, objects_to_bytes
from bench.sweep.decisions import decisions_of, unpack_decisions
from bench.sweep.leases import remove_ended

SCHEMA = 1
RECORD = "record.json"
DECISIONS = "decisions.safetensors"
_PREDICTIONS = "predictions.safetensors"
_WEIGHTS = "model.safetensors"
_OBJECTS = "model.skops"
_MODELS = (_WEIGHTS, _OBJECTS)
# Stands where a model was removed on purpose: its run is whole without it.
_FORGOTTEN = "model.removed"

# Folders of a results folder; whoever made it may have put links in their places.
_FOLDERS = ("runs", "plans", "failures", "checkpoints", ".leases", "paper", "paper/figures")

# Name of the plan of the last search for settings.
TRIALS = "trials"

# Presets by name; others are paths of files.
_PRESET = re.compile(r"[a-z0-9_]+")

_UNSEALED = "its checksum does not match its content"

log = logging.getLogger(__name__)


class Store:
    """The results folder.

    Parameters
    ----------
    root : Path
        Such as ``results``; made when the first run is written. It may be a link.

    Raises
    ------
    StoreError
        One of its folders is a link: what is below it would be read and written elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in _FOLDERS:
            if kind_of(root / name) == stat.S_IFLNK:
                raise StoreError(
                    f"Expected a folder of its own in the results folder, but {root / name} is a "
                    f"link to {os.readlink(root / name)}. Remove the link, or give the place "
                    "where the results are with --out."
                )
        self._runs = root / "runs"
        self._failures = root / "failures"
        self._checkpoints = root / "checkpoints"
        self.leases = root / ".leases"

    def require_writable(self) -> None:
        """Make the folders and try them.

        Raises
        ------
        StoreError
            Nothing can be written there.
        """
        try:
            for folder in (self._runs, self._failures, self._checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
                temporary_folder(folder).rmdir()
        except OSError as error:
            raise StoreError(
                f"Expected a results folder that can be written, but {self.root}: "
                f"{error.strerror}. Choose another one with --out."
            ) from None

    def tidy(self) -> None:
        """Remove what sweeps that were killed left behind; each thing is named in the log."""
        for path in strays(self._runs):
            # A run that was put aside for its replacement, and that did not come.
            for aside in path.glob(f"*/{RECORD}"):
                if kind_of(self._runs / aside.parent.name) is None:
                    os.rename(aside.parent, self._runs / aside.parent.name)
        for name in ("", *_FOLDERS):
            for path in remove_strays(self.root / name):
                log.warning("%s is removed: the process that wrote it was killed.", path)
        remove_ended(self.leases)
        # A sweep that was killed after a run was stored did not come to its checkpoint. One that is
        # younger than the run is of its replacement.
        for path in self._checkpoints.glob("*.safetensors"):
            with suppress(FileNotFoundError, NotADirectoryError):
                stored = (self._runs / path.stem / _WEIGHTS).lstat().st_mtime_ns
                if path.lstat().st_mtime_ns <= stored:
                    path.unlink()

    def is_in_use(self) -> bool:
        """Whether a command is at a run of this folder, as far as can be seen."""
        remove_ended(self.leases)
        return any(self.leases.glob("*.json"))

    def remove(self) -> None:
        """Remove the whole folder, which must be one that only a command writes to."""
        shutil.rmtree(self.root)

    def remove_run(self, job_id: str) -> None:
        """Remove a stored run, whole or damaged; nothing where there is none."""
        aside = _put_aside(self._runs / job_id)
        if aside is not None:
            shutil.rmtree(aside)

    def forget_attempts(self, job_id: str) -> None:
        """Forget how a run failed and how far it has come; a finished run stays."""
        self._failure(job_id).unlink(missing_ok=True)
        self.checkpoint(job_id).unlink(missing_ok=True)

    def checkpoint(self, job_id: str) -> Path:
        """Where a run keeps how far it has come until its record is stored."""
        return self._checkpoints / f"{job_id}.safetensors"

    def read(self, job_id: str) -> dict[str, Any] | None:
        """The record of a finished run, or None when there is none that can be trusted.

        A damaged record is named in the log and counts as absent.

        Raises
        ------
        StoreError
            It is there, and this user or this machine cannot read it.
        """
        if kind_of(self._runs / job_id) is None:
            return None
        record, problem = self.examine(job_id)
        if problem:
            path = self._runs / job_id / RECORD
            log.warning("%s is left out, its run counts as missing: %s", path, problem)
            return None
        return record

    def examine(self, job_id: str) -> tuple[Any, str | None]:
        """A run's record as it stands, and what is wrong with it or its files, or None."""
        folder = self._runs / job_id
        if kind_of(folder) != stat.S_IFDIR:
            return None, "it is no folder"
        try:
            record = json.loads(read_regular(folder / RECORD))
            problem = problem_of_record(record, job_id)
            if problem is None and self._has_decisions_only(job_id):
                unpack_decisions(job_id, read_regular(folder / DECISIONS, MOST_DECISIONS))
            elif problem is None:
                problem = _problem_of_files(record["files"], folder)
            return record, problem
        except (OSError, ValueError, RecursionError) as error:
            return None, str(error)

    def job_ids(self) -> list[str]:
        """The runs in the folder, of whatever plan, sound or not."""
        return [path.name for path in entries(self._runs) if not path.name.startswith(".")]

    def without_runs(self) -> StoreError:
        """What to raise where a command needs runs and there are none."""
        return StoreError(
            f"Expected runs in {self._runs}, but there are none. Run the benchmark first, or name "
            "its folder with --out."
        )

    def records(self) -> Iterator[dict[str, Any]]:
        """All finished runs that can be trusted, of whatever plan, by job id."""
        for job_id in self.job_ids():
            if record := self.read(job_id):
                yield record

    def write(
        self,
        job_id: str,
        record: Mapping[str, Any],
        predictions: Mapping[str, np.ndarray],
        weights: Mapping[str, np.ndarray],
        replaces: str | None = None,
        objects: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a finished run; `objects` are what a method without a network keeps.

        One that is there already stays, unless it is damaged, lacks its model or has the checksum
        `replaces`.
        """
        from safetensors.numpy import save

        target = self._runs / job_id
        aside = None
        with new_folder(target) as folder:
            contents = {
                _PREDICTIONS: save(_contiguous(predictions)),
                _WEIGHTS: save(_contiguous(weights)),
            }
            if objects is not None:
                contents[_OBJECTS] = objects_to_bytes(objects)
            files = {}
            for name, data in contents.items():
                files[name] = hashlib.sha256(
                    _readable(data, MOST_ARRAYS, target / name)
                ).hexdigest()
                write_new(folder / name, data)
            content = {
                **record,
                "schema": SCHEMA,
                "job_id": job_id,
                "status": "complete",
                "files": files,
            }
            write_new(folder / RECORD, _document(content, target / RECORD))
            # Not before the new run is whole: on a full disk the one before stays.
            if not (self.has_weights(job_id) and self.is_done(job_id, replaces)):
                aside = _put_aside(target)
        if aside is not None:
            shutil.rmtree(aside)
        self._failure(job_id).unlink(missing_ok=True)

    def is_done(self, job_id: str, replaces: str | None = None) -> bool:
        """Whether a run is stored, with its model or not; no, if its checksum is `replaces`."""
        record = self.read(job_id)
        return record is not None and record["checksum"] != replaces

    def renew(self, record: Mapping[str, Any]) -> bool:
        """Write the record of a stored run again, after what it says of its code has changed.

        Not where the stored one has another checksum by now; gives whether it was written.
        """
        stored = self.read(record["job_id"])
        if stored is None or stored["checksum"] != record["checksum"]:
            return False
        content = {key: value for key, value in record.items() if key != "checksum"}
        path = self._runs / record["job_id"] / RECORD
        write_atomically(path, _document(content, path))
        return True

    def has_weights(self, job_id: str) -> bool:
        """Whether the model of a stored run is here."""
        return kind_of(self._runs / job_id / _WEIGHTS) is not None

    def has_predictions(self, job_id: str) -> bool:
        """Whether logits of a stored run are here, and not its predicted labels alone."""
        return kind_of(self._runs / job_id / _PREDICTIONS) is not None

    def forget_model(self, job_id: str) -> int:
        """Remove the model of a stored run, which stays finished; gives how many bytes it had."""
        folder = self._runs / job_id
        here = [folder / name for name in _MODELS if kind_of(folder / name) is not None]
        freed = sum(path.lstat().st_size for path in here)
        if here:
            write_atomically(folder / _FORGOTTEN, b"")
        for path in here:
            path.unlink()
        return freed

    def decisions(self, job_id: str) -> dict[str, np.ndarray]:
        """What was decided, whether or not logits are here; see :func:`decisions_of`.

        Raises
        ------
        StoreError
            The stored arrays are damaged.
        """
        try:
            if self._has_decisions_only(job_id):
                packed = read_regular(self._runs / job_id / DECISIONS, MOST_DECISIONS)
                return unpack_decisions(job_id, packed)
            return decisions_of(self.predictions(job_id))
        except (FileNotFoundError, ValueError) as error:
            raise StoreError(
                f"Expected labels and predictions of a run in {self._runs / job_id}, but {error}. "
                "Remove the folder and run the benchmark command again."
            ) from None

    def predictions(self, job_id: str) -> dict[str, np.ndarray]:
        """Arrays by name: ``valid_labels``, ``valid_logits``, ``test_labels``, ``test_logits``.

        Raises
        ------
        StoreError
            The run came from an archive, without its logits.
        """
        return self._arrays(job_id, _PREDICTIONS)

    def weights(self, job_id: str) -> dict[str, np.ndarray]:
        """The selected weights, by ``network.NAME`` and ``method.NAME``.

        Raises
        ------
        StoreError
            The run came from an archive, or its model was removed.
        """
        if self.has_predictions(job_id) and not self.has_weights(job_id):
            raise StoreError(
                f"Expected {_WEIGHTS} in {self._runs / job_id}, but the model was not kept. Run "
                "the benchmark command again with --keep-models all, after removing the folder."
            )
        return self._arrays(job_id, _WEIGHTS)

    def objects(self, job_id: str) -> dict[str, Any] | None:
        """What a method without a network keeps; None where there is nothing of the kind.

        Raises
        ------
        StoreError
            It cannot be read, or asks for types that are not trusted.
        """
        path = self._runs / job_id / _OBJECTS
        try:
            return objects_from_bytes(read_regular(path, MOST_ARRAYS))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(
                f"Expected what a method has learned in {path}, but {error}. Remove the folder "
                "and run the benchmark command again."
            ) from None

    def _arrays(self, job_id: str, name: str) -> dict[str, np.ndarray]:
        if self._has_decisions_only(job_id):
            raise StoreError(
                f"Expected {name} in {self._runs / job_id}, but the run came from an archive, "
                "which keeps labels and predicted classes only. Remove the folder and run the "
                "benchmark command again."
            )
        path = self._runs / job_id / name
        try:
            return arrays_from_bytes(read_regular(path, MOST_ARRAYS))
        except (FileNotFoundError, ValueError) as error:
            raise StoreError(
                f"Expected arrays in {path}, but {error}. Remove the folder and run the benchmark "
                "command again."
            ) from None

    def _has_decisions_only(self, job_id: str) -> bool:
        folder = self._runs / job_id
        here = [kind_of(folder / name) is not None for name in (_PREDICTIONS, _WEIGHTS)]
        return kind_of(folder / DECISIONS) is not None and not any(here)

    def write_failure(self, job_id: str, failure: Mapping[str, Any]) -> None:
        """Write down why a run failed."""
        self._failures.mkdir(parents=True, exist_ok=True)
        content = {"reason": "not known", **failure, "schema": SCHEMA, "job_id": job_id}
        path = self._failure(job_id)
        write_atomically(path, _document(content, path))

    def read_failure(self, job_id: str) -> dict[str, Any] | None:
        """Why the run failed last time; None when it did not, or nobody can tell.

        A damaged file is named in the log and counts as absent.
        """
        failure, problem = self.examine_failure(job_id)
        if problem:
            log.warning("%s is left out: %s", self._failure(job_id), problem)
            return None
        return failure

    def why_failed(self, job_id: str) -> dict[str, Any] | None:
        """Its failure, but not that it was stopped with its sweep: the next goes on with it."""
        failure = self.read_failure(job_id)
        return None if failure is None or failure.get("status") == "interrupted" else failure

    def examine_failure(self, job_id: str) -> tuple[dict[str, Any] | None, str | None]:
        """A run's failure as it stands, None where there is none, and what is wrong with it."""
        try:
            failure = json.loads(read_regular(self._failure(job_id)))
        except FileNotFoundError:
            return None, None
        except (OSError, ValueError, RecursionError) as error:
            return None, str(error)
        problem = problem_of("failure", failure)
        if problem is None and failure["job_id"] != job_id:
            problem = f"it belongs to run {failure['job_id']!r}"
        if problem is None and not _is_whole(failure, sealed_always=False):
            problem = _UNSEALED
        return failure, problem

    def failure_ids(self) -> list[str]:
        """The runs of which a failure is written down, sound or not."""
        return _names(self._failures)

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep the last plan, from which reports know what was expected, and that of its preset.

        A preset that is a file of the user's has no plan of its own. Where only a part of the
        plan that is there was asked for, such as one cell again, that of the preset stays.
        """
        paths = [self._plan()]
        preset = plan["settings"].get("preset", "")
        if _PRESET.fullmatch(preset) and not self._is_part_of_plan(plan, preset):
            paths.append(self._plan(preset))
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, _document(plan, path))
        self._pass_on_replaced(plan)

    def _pass_on_replaced(self, plan: Mapping[str, Any]) -> None:
        """What does not count in this plan counts in none, and what counts again does in all."""
        replaced = {job["job_id"]: job.get("replaces") for job in plan["jobs"]}
        for preset in self.presets():
            try:
                known = self.read_plan(preset)
            except StoreError:
                continue
            before = {job["job_id"]: job.get("replaces") for job in known["jobs"]}
            now = {job_id: replaced.get(job_id, old) for job_id, old in before.items()}
            if now != before:
                path = self._plan(preset)
                write_atomically(path, _document(with_replaced(known, now), path))

    def write_trials(self, plan: Mapping[str, Any]) -> None:
        """Keep the plan of a search for settings, which is no benchmark to report on."""
        path = self._plan(TRIALS)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _document(plan, path))

    def _is_part_of_plan(self, plan: Mapping[str, Any], preset: str) -> bool:
        try:
            known = {job["job_id"] for job in self.read_plan(preset)["jobs"]}
        except StoreError:
            return False
        return {job["job_id"] for job in plan["jobs"]} < known

    def presets(self) -> list[str]:
        """The presets of which there is a plan, sound or not, in the order of their names."""
        return _names(self.root / "plans")

    def has_plan(self, preset: str | None = None) -> bool:
        """Whether there is a last plan, or one of `preset`, sound or not."""
        return kind_of(self._plan(preset)) is not None

    def read_plan(self, preset: str | None = None) -> dict[str, Any]:
        """The last plan, or the last one of `preset`.

        Raises
        ------
        StoreError
            There is none, or it cannot be read.
        """
        path = self._plan(preset)
        problem: str | None
        try:
            content = read_regular(path)
        except FileNotFoundError:
            raise StoreError(
                f"Expected the plan of an earlier benchmark at {path}, but there is none. "
                "Run the benchmark first, or name its folder with --out."
            ) from None
        except ValueError as error:
            plan, problem = None, str(error)
        else:
            plan, problem = plan_in(content)
        if plan is None:
            raise StoreError(
                f"Expected a plan of schema {SCHEMA} in {path}, but it is damaged or of another "
                f"version: {problem}. Run the benchmark command again; finished runs are reused."
            )
        return plan

    def datasets_of_plans(self) -> dict[str, str]:
        """Label of a data set to what the command line called it, in any sound plan there is."""
        names: dict[str, str] = {}
        for preset in (*self.presets(), None):
            try:
                names |= self.read_plan(preset)["settings"].get("datasets", {})
            except StoreError as error:
                log.debug("%s", error)  # there is none, or it cannot be read
        return names

    def _plan(self, preset: str | None = None) -> Path:
        return self.root / ("plan.json" if preset is None else f"plans/{preset}.json")

    def _failure(self, job_id: str) -> Path:
        return self._failures / f"{job_id}.json"


def to_json(content: Mapping[str, Any]) -> bytes:
    """Strict JSON (no NaN), sorted and indented, UTF-8."""
    text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def plan_in(content: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """The plan in a file of this content, or None and what is wrong with it."""
    try:
        plan = json.loads(content)
    except (ValueError, RecursionError) as error:
        return None, f"it cannot be read: {error}"
    problem = problem_of("plan", plan)
    if problem is None and not _is_whole(plan, sealed_always=False):
        problem = _UNSEALED
    if problem is not None:
        return None, problem
    return {key: value for key, value in plan.items() if key != "checksum"}, None


def problem_of_record(record: Any, job_id: str) -> str | None:
    """What is wrong with the record of a run as read, its other files aside, or None."""
    if not isinstance(record, dict):
        return "it is not a mapping"
    if record.get("schema") != SCHEMA:
        return f"its schema is {record.get('schema')!r}, expected {SCHEMA}"
    if record.get("job_id") != job_id:
        return f"it belongs to run {record.get('job_id')!r}"
    if not _is_whole(record):
        return _UNSEALED
    return problem_of("files", record.get("files"))


def _problem_of_files(checksums: Mapping[str, str], folder: Path) -> str | None:
    forgotten = kind_of(folder / _FORGOTTEN) is not None
    for name, checksum in checksums.items():
        if name in _MODELS and forgotten and kind_of(folder / name) is None:
            continue
        with open_regular(folder / name, MOST_ARRAYS) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != checksum:
                return f"{name} does not match its checksum"
    return None


def _document(content: Mapping[str, Any], path: Path) -> bytes:
    """A file of `content`, sealed; an error rather than one that no command would read."""
    return _readable(to_json(_sealed(content)), MOST_JSON, path)


def _readable(data: bytes, most: int, path: Path) -> bytes:
    """`data`, which is to be written to `path`."""
    if len(data) > most:
        raise StoreError(
            f"Expected at most {most} bytes to write to {path}, but got {len(data)}, which no "
            "command would read. Divide the runs among several results folders with --out, or use "
            "data of fewer classes and samples."
        )
    return data


def _sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` and its checksum."""
    return {**content, "checksum": hashlib.sha256(to_json(content)).hexdigest()}


def _is_whole(content: dict[str, Any], *, sealed_always: bool = True) -> bool:
    """Whether `content` has the checksum it was sealed with; plans and failures once had none."""
    try:
        sealed = _sealed({key: content[key] for key in content if key != "checksum"})
    except (ValueError, RecursionError):  # what was never written, such as NaN
        return False
    return sealed == content if "checksum" in content else not sealed_always


def _contiguous(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _names(folder: Path) -> list[str]:
    """Of the JSON files in `folder`, without those that are being written."""
    files = [path for path in entries(folder) if path.suffix == ".json"]
    return [path.stem for path in files if not path.name.startswith(".")]


def _put_aside(folder: Path) -> Path | None:
    """Move `folder` into a temporary one; None where there is none."""
    if kind_of(folder) is None:
        return None
    aside = temporary_folder(folder.parent)
    os.replace(folder, aside / folder.name)
    return aside


def with_replaced(plan: Mapping[str, Any], replaced: Mapping[str, str | None]) -> dict[str, Any]:
    """`plan`, each job of which says what stored record it replaces.

    Such a record does not count, whether or not its run is done again in the end. `replaced` is
    job id to checksum, None where nothing is; it may have runs of other plans.
    """
    jobs = []
    for job in plan["jobs"]:
        said = {key: value for key, value in job.items() if key != "replaces"}
        checksum = replaced.get(job["job_id"])
        jobs.append(said if checksum is None else {**said, "replaces": checksum})
    return {**plan, "jobs": jobs}
