"""Progress of anything longer than a few seconds: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.commands.console import console, warn
from bench.sweep.plan import Job
from bench.sweep.worker import Outcome

# Without a terminal, a line at most every so many seconds.
_PLAIN_LINE_SECONDS = 10.0
_PLAIN_RUN_SECONDS = 60.0


class LiveStep:
    """One step with a text and, once its size is known, a bar."""

    def __init__(self, text: str) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(text, total=None)
        self._spoken = time.monotonic()

    def __enter__(self) -> LiveStep:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Change the text."""
        self._progress.update(self._task, description=text)
        self._plain(text)

    def advance(self, text: str, done: int, total: int) -> None:
        """Show `done` of `total`."""
        self._progress.update(self._task, description=text, completed=done, total=total)
        self._plain(f"{text}: {done} of {total}")

    def _plain(self, text: str) -> None:
        now = time.monotonic()
        if not console.is_terminal and now - self._spoken >= _PLAIN_LINE_SECONDS:
            console.print(text)
            self._spoken = now


class LiveRuns:
    """All runs of a sweep: a bar over them, a bar for each that is training, a line when done."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = {job.job_id: job for job in jobs}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[score]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._progress.add_task("runs", total=len(jobs), score="")
        self._bars: dict[str, TaskID] = {}
        self._scores: dict[str, str] = {}
        self._finished = 0
        self._spoken = time.monotonic()

    def __enter__(self) -> LiveRuns:
        if self._jobs:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._jobs:
            self._progress.stop()

    def epoch(self, job_id: str, report: Any) -> None:
        """Move the bar of a run that has done an epoch."""
        job = self._jobs[job_id]
        if job_id not in self._bars:
            self._bars[job_id] = self._progress.add_task(
                job.describe(), total=job.training.epochs, score=""
            )
        score = f"validation BA {100 * report.valid_balanced_accuracy:.1f}"
        self._scores[job_id] = score
        self._progress.update(self._bars[job_id], completed=report.epoch, score=score)
        now = time.monotonic()
        if not console.is_terminal and now - self._spoken >= _PLAIN_RUN_SECONDS:
            console.print(f"{job.describe()} · epoch {report.epoch} of {job.training.epochs}")
            self._spoken = now

    def finished(self, outcome: Outcome) -> None:
        """Print the line of a run that has ended."""
        self._finished += 1
        bar = self._bars.pop(outcome.job_id, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._progress.update(self._all, completed=self._finished)
        text = f"{self._finished}/{len(self._jobs)} {self._jobs[outcome.job_id].describe()}"
        if outcome.error is None:
            score = self._scores.pop(outcome.job_id, "")
            console.print(f"{text} · last {score}" if score else text)
        else:
            warn(f"{text} failed: {outcome.error}")
