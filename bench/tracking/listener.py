"""The contract of listeners: who hears of runs as they go on, and how others join in.

To add a tracker, write ``bench/tracking/NAME.py`` with a subclass of :class:`Tracker` under
:func:`register_tracker`, or name such a module in the entry-point group ``ltdd_bench.trackers`` of
a package of your own; ``--track NAME`` then switches it on. Listeners are called in the process of
the command, wherever runs are executed, one call at a time.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from bench.errors import StoreError, UnavailableError
from bench.files import kind_of
from bench.registry import Registry

log = logging.getLogger(__name__)


class Listener:
    """Hears of runs as they go on; this one keeps it to itself."""

    def started(self, job_id: str) -> None:
        """A run has begun, or begun again after its process was lost."""

    def epoch(self, job_id: str, report: Any) -> None:
        """A run has done an epoch; `report` is a :class:`bench.training.loop.EpochReport`.

        The first is not epoch 1 where a run goes on from a checkpoint, and may be one that was
        told of before: what an attempt says from there on takes the place of what was said.
        """

    def finished(self, outcome: Any, record: Mapping[str, Any] | None) -> None:
        """A run has ended, begun or not.

        `outcome` is a :class:`bench.sweep.worker.Outcome`; its `error` says why the run failed.
        `record` is what was stored, None of a failed run.
        """


@dataclass(frozen=True)
class Run:
    """What is known of a run before it begins.

    `settings` are plain values by dotted key: options, training settings, versions.
    """

    job_id: str
    title: str
    dataset: str
    split: str
    method: str
    seed: int
    settings: Mapping[str, Any]


class Tracker(Listener):
    """A listener that can be asked for by name.

    Parameters
    ----------
    out : Path
        The results folder.
    runs : mapping of str to Run
        By job id, all that may be told of.
    """

    needs: ClassVar[str | None] = None
    """The package it cannot do without; it is imported no sooner than the tracker is made."""

    def __init__(self, out: Path, runs: Mapping[str, Run]) -> None:
        self.out, self.runs = out, runs

    def close(self) -> None:
        """Let go of everything; runs that have not ended were interrupted."""


TRACKERS: Registry[type[Tracker]] = Registry("tracker", "bench.tracking", "ltdd_bench.trackers")


def register_tracker(name: str) -> Callable[[type[Tracker]], type[Tracker]]:
    """Register a tracker under `name`."""

    def decorate(cls: type[Tracker]) -> type[Tracker]:
        TRACKERS.add(name, cls)
        return cls

    return decorate


def require_trackers(names: Sequence[str]) -> None:
    """Raise before anything starts where a tracker is not known or lacks its package."""
    for name in names:
        needs = TRACKERS.get(name).cls.needs
        if needs is not None and find_spec(needs) is None:
            raise UnavailableError(
                f"The tracker {name!r} needs the package {needs}: pip install {needs}"
            )


class Listeners(Listener):
    """Several listeners as one; a tracker that raises is named once and hears no more.

    Parameters
    ----------
    first : Listener
        Not guarded: the command's own.
    names : sequence of str
        Of trackers; one that stands twice is made once.
    out, runs
        For trackers.
    """

    def __init__(
        self, first: Listener, names: Sequence[str], out: Path, runs: Mapping[str, Run]
    ) -> None:
        self._first = first
        self._trackers: dict[str, Tracker] = {}
        for name in dict.fromkeys(names):
            self._guard(name, partial(self._add, name, out, runs))

    def started(self, job_id: str) -> None:
        self._first.started(job_id)
        self._tell(lambda tracker: tracker.started(job_id))

    def epoch(self, job_id: str, report: Any) -> None:
        self._first.epoch(job_id, report)
        self._tell(lambda tracker: tracker.epoch(job_id, report))

    def finished(self, outcome: Any, record: Mapping[str, Any] | None) -> None:
        self._first.finished(outcome, record)
        self._tell(lambda tracker: tracker.finished(outcome, record))

    def close(self) -> None:
        """Close the trackers."""
        self._tell(lambda tracker: tracker.close())

    def _add(self, name: str, out: Path, runs: Mapping[str, Run]) -> None:
        self._trackers[name] = TRACKERS.get(name).cls(out, runs)

    def _tell(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            self._guard(name, partial(tell, tracker))

    def _guard(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # whatever a tracker raises, runs go on
            self._trackers.pop(name, None)
            log.warning(
                "The tracker %s is left out from here on, the runs go on: %s: %s",
                name,
                type(error).__name__,
                error,
            )


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found


def own_folder(out: Path, name: str) -> Path:
    """The folder `name` in the results folder, made where it is missing; a link is refused."""
    path = out / name
    path.mkdir(parents=True, exist_ok=True)
    if kind_of(path) != stat.S_IFDIR:
        raise StoreError(f"Expected a folder at {path}, but it is a link. Remove it.")
    return path
