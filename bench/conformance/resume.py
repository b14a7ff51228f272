"""Stop a training after its epochs, go on in fresh objects, and compare with one never stopped."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.conformance.trial import NetworkTrial
from bench.conformance.verdicts import ConformanceError
from bench.training.checkpoint import CheckpointFile
from bench.training.loop import EpochReport, TrainingResult

Trained = tuple[NetworkTrial, TrainingResult]


class _Stopped(Exception):  # noqa: N818 - nothing is wrong
    """A training ends here, as by a kill."""


def stop_and_go_on(make: Callable[[], NetworkTrial], stops: Collection[int]) -> Trained:
    """Train to the end, stopping after each of the epochs `stops`.

    Parameters
    ----------
    make : callable
        Gives the method and its network, each time made afresh.
    stops : collection of int
        Epochs from 1, none of them beyond those that the method trains.

    Raises
    ------
    ConformanceError
        A fresh object repeats epochs instead of going on.
    """
    done = 0

    def count_and_stop(report: EpochReport) -> None:
        nonlocal done
        if report.epoch != done + 1:
            raise ConformanceError(
                f"training to go on with epoch {done + 1}",
                f"epoch {report.epoch}; make modules and buffers in setup or initialise, as "
                "register_buffer(NAME, TENSOR), so that a fresh object can take over their values",
            )
        done = report.epoch
        if done in stops:
            raise _Stopped

    with tempfile.TemporaryDirectory(prefix="stopped-") as folder:
        while True:
            trial = make()
            file = CheckpointFile(Path(folder) / "checkpoint.safetensors", every_seconds=0)
            try:
                return trial, trial.train(checkpoint=file, on_epoch=count_and_stop)
            except _Stopped:
                continue


def first_difference(expected: Trained, got: Trained) -> str | None:
    """The first thing in which two trainings differ, in words; None when every bit is equal."""
    (trial, result), (other, other_result) = expected, got
    for one, two in zip(result.history, other_result.history, strict=True):
        for name, value in one.to_json().items():
            found = getattr(two, name)
            if name != "seconds" and not _same(value, found):
                return f"{name} {found} instead of {value} in epoch {one.epoch}"
    for name in ("best_epoch", "best_valid_balanced_accuracy", "method"):
        value, found = getattr(result, name), getattr(other_result, name)
        if not _same(value, found):
            return f"{name} {found} instead of {value} after training"
    state, other_state = trial.state(), other.state()
    changed = [name for name, tensor in state.items() if not _equal(tensor, other_state[name])]
    if changed:
        return f"other values of {changed[0]}"
    if not np.array_equal(trial.logits(), other.logits()):
        return "other predictions from equal weights"
    return None


def _same(one: Any, other: Any) -> bool:
    """Whether plain values are equal in a record, where nan is nan and a tuple is a list."""
    return json.dumps(one) == json.dumps(other)


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)
