"""Run one job to its stored record; what every executor calls, in whatever process."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from bench.data.left_out import facts
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.errors import BenchError, DataError, TrainingError
from bench.plain_text import log_visibly
from bench.split import Split
from bench.sweep.fingerprint import sources_of_job, sources_of_run
from bench.sweep.plan import Job, open_dataset
from bench.sweep.provenance import provenance
from bench.sweep.signals import signals_held
from bench.sweep.splits import split_of
from bench.sweep.store import Store
from bench.training.checkpoint import CheckpointFile
from bench.training.loop import EpochReport
from bench.training.run import choose_device, peak_memory_bytes, run
from bench.training.score import score

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# A fixed number, as the last bits of a product depend on it, and with them the sub-clusters of
# `sdr`: stored runs were made with two.
BLAS_THREADS = 2


Status = Literal["failed", "died", "timed-out", "interrupted"]


@dataclass(frozen=True)
class Task:
    """A job and where this process finds its data and puts its result.

    `split_hash` is the hash of the split as planned; a worker that arrives at another refuses.
    `attempt` is 1 more than the attempts of earlier starts that failed. `replaces` is the checksum
    of the stored record that the new one takes the place of, if any. `keep_changed` says that a
    record which another sweep stores meanwhile counts though other code made it.
    """

    job: Job
    data_path: Path
    data_sha256: str
    split_hash: str
    cache_dir: Path
    results_dir: Path
    device: str
    deterministic: bool = True
    attempt: int = 1
    replaces: str | None = None
    keep_changed: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a task ended; `error` is None when its record is stored.

    `status` says what kind of failure `error` is; `elsewhere` that another sweep stored the record.
    """

    job_id: str
    error: str | None = None
    status: Status = "failed"
    elsewhere: bool = False


def execute(task: Task, on_epoch: Callable[[str, Any], None] | None = None) -> Outcome:
    """Run `task` and store its record, or write down why it failed.

    Every exception of a run ends here, so that one failing run never stops the others.
    """
    log_visibly()
    job_id = task.job.job_id
    epochs = 0

    def heard(report: EpochReport) -> None:
        nonlocal epochs
        epochs = report.epoch
        if on_epoch is not None:
            on_epoch(job_id, report)

    store = Store(task.results_dir)
    checkpoint = CheckpointFile(store.checkpoint(job_id), code=sources_of_job(task.job))
    try:
        _run_and_store(task, store, heard, checkpoint)
    except Exception as error:
        if not isinstance(error, OSError):  # a full disk is no fault of the training so far
            checkpoint.remove()
        outcome = Outcome(job_id, _reason(error))
        record_failure(
            task, outcome, epochs=epochs, peak_memory_bytes=peak_memory_bytes(), exception=error
        )
        return outcome
    checkpoint.remove()
    return Outcome(job_id)


def record_failure(
    task: Task,
    outcome: Outcome,
    *,
    epochs: int,
    peak_memory_bytes: int | None,
    exception: Exception | None = None,
    counted: bool = True,
) -> None:
    """Write down how `task` failed, where that can be: a full disk must not stop the other runs.

    Parameters
    ----------
    task : Task
    outcome : Outcome
        Its status and its reason.
    epochs : int
        Epochs that were done.
    peak_memory_bytes : int or None
        None where the process ended before it told.
    exception : Exception, optional
        What the run raised.
    counted : bool
        Whether this was an attempt, of which a run gets only so many.
    """
    job = task.job
    text = None if exception is None else "".join(traceback.format_exception(exception))
    failure = {
        "job_id": job.job_id,
        "job": job.to_json(),
        "seed": job.seed,
        "status": outcome.status,
        "reason": outcome.error,
        "traceback": text,
        "attempts": task.attempt if counted else task.attempt - 1,
        "sources": sources_of_job(job),
        "epochs": epochs,
        "peak_memory_bytes": peak_memory_bytes,
        "provenance": provenance(),
    }
    try:
        Store(task.results_dir).write_failure(job.job_id, failure)
    except OSError as error:
        log.warning("The reason why %s failed could not be written: %s", job.job_id, error)


def _reason(error: Exception) -> str:
    import torch

    if isinstance(error, BenchError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"ran out of memory: {error}".removesuffix(": ")
    if isinstance(error, torch.OutOfMemoryError):  # torch's own is no MemoryError
        return f"ran out of GPU memory, of which fewer --jobs need less: {error}"
    return f"{type(error).__name__}: {error}"


def _run_and_store(
    task: Task,
    store: Store,
    on_epoch: Callable[[EpochReport], None],
    checkpoint: CheckpointFile,
) -> None:
    import torch

    # One thread a process: runs side by side use the cores better, and results do not depend on
    # how many there are. NumPy's and SciPy's libraries have threads of their own; those that the
    # method brings along are loaded by now, as it was imported for the names of its files.
    torch.set_num_threads(1)
    with threadpool_limits(BLAS_THREADS, user_api="blas"):
        _train_and_store(task, store, on_epoch, checkpoint)


def _train_and_store(
    task: Task,
    store: Store,
    on_epoch: Callable[[EpochReport], None],
    checkpoint: CheckpointFile,
) -> None:
    job = task.job
    dataset = open_dataset(job.dataset)
    prepared = prepare(
        job.dataset.name, dataset, task.data_path, task.data_sha256, cache_dir=task.cache_dir
    )
    if prepared.content_sha256 != job.content_sha256:
        raise DataError(
            f"Expected the samples {job.content_sha256[:12]} that were planned, but this process "
            f"read {prepared.content_sha256[:12]}. The data changed since the plan; run the "
            "command again."
        )
    split, _ = split_of(
        prepared, job.split, job.seed, cache_dir=task.cache_dir, called=job.dataset.label
    )
    if split.hash != task.split_hash:
        raise DataError(
            f"Expected the split {task.split_hash[:12]} that was planned, but this process made "
            f"{split.hash[:12]}. Data or code changed since the plan; run the command again."
        )
    device = choose_device(task.device, deterministic=task.deterministic)
    result = run(
        prepared,
        split,
        method_name=job.method.name,
        method_options=job.method.options,
        backbones={kind: (part.name, part.options) for kind, part in job.backbones.items()},
        training=job.training,
        seed=job.seed,
        device=device,
        runs={role: _finished(store, needed) for role, needed in job.requires.items()},
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
    result = score(result, prepared, split)
    record = {
        "job": job.to_json(),
        "data": _data_facts(prepared, split, task.data_path.name),
        **result.figures,
        "sources": sources_of_run(job, store.read),
        "provenance": {**provenance(), "device": device_name(device)},
    }
    with signals_held():
        store.write(
            job.job_id,
            record,
            result.predictions,
            result.weights,
            task.replaces,
            result.objects,
        )


@dataclass(frozen=True)
class _StoredRun:
    """A finished run, of which only what is asked for is read."""

    store: Store
    job_id: str

    def network_state(self) -> dict[str, Tensor]:
        """Weights and buffers of its network."""
        import torch

        prefix = "network."
        return {
            name.removeprefix(prefix): torch.from_numpy(array)
            for name, array in self.store.weights(self.job_id).items()
            if name.startswith(prefix)
        }

    def logits(self, part: Literal["valid", "test"]) -> np.ndarray:
        """What it predicts with, (n, K)."""
        return self.store.predictions(self.job_id)[f"{part}_logits"]


def _finished(store: Store, job: Job) -> _StoredRun:
    """The stored run of `job`."""
    if store.read(job.job_id) is None:
        failure = store.read_failure(job.job_id) or {"reason": "it was not run"}
        raise TrainingError(f"The run it depends on, {job.describe()}, failed: {failure['reason']}")
    return _StoredRun(store, job.job_id)


def _data_facts(prepared: PreparedData, split: Split, file: str) -> dict[str, Any]:
    def counts(part: np.ndarray) -> list[int]:
        return [int(count) for count in prepared.class_counts(part)]

    return {
        "file": file,
        "sha256": prepared.data_sha256,
        "content_sha256": prepared.content_sha256,
        "fingerprint": prepared.fingerprint,
        "samples": len(prepared),
        "unusable": len(prepared.unusable),
        "left_out": facts(prepared.unusable),
        "inputs": [[entity.name, entity.kind] for entity in prepared.entities],
        "categories": list(prepared.categories),
        "class_names": list(prepared.class_names),
        "train_counts": counts(split.train),
        "valid_counts": counts(split.valid),
        "test_counts": counts(split.test),
        "split_hash": split.hash,
    }


def device_name(device: Any) -> str:
    """What records call `device`, a torch device."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
