"""Progress of anything longer than a few seconds: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from statistics import median
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
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
from rich.table import Table
from rich.text import Text

from bench.commands.console import console, warn
from bench.method import METHODS
from bench.sweep.costs import Costs
from bench.sweep.estimate import in_words, time_left
from bench.sweep.executor import Watcher
from bench.sweep.plan import Job
from bench.sweep.worker import Outcome

# Without a terminal, a line at most every so many seconds.
_PLAIN_LINE_SECONDS = 10.0
_PLAIN_RUN_SECONDS = 60.0
# Signs of life come twice as late each time, up to this.
_LONGEST_SILENCE = 300.0


def _is_live(to: Console) -> bool:
    """Whether bars can move: on a terminal, and in a notebook that has widgets."""
    return to.is_terminal and not (to.is_jupyter and find_spec("ipywidgets") is None)


class _PlainLines:
    """Lines where bars cannot move, and a sign of life where a step has nothing to tell.

    A forest says nothing until it stands, which takes minutes where classes are many.

    Parameters
    ----------
    to : Console
    seconds : float
        At least as long between two lines.
    silent : callable
        The sign of life, or None where nothing is going on.
    """

    def __init__(self, to: Console, seconds: float, silent: Callable[[], str | None]) -> None:
        self._to, self._seconds, self._silent = to, seconds, silent
        self._spoken = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._break_silence, daemon=True)

    def start(self) -> None:
        """Break silences from now on."""
        if not _is_live(self._to):
            self._thread.start()

    def stop(self) -> None:
        """Say nothing more of one's own accord."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def say(self, text: str) -> None:
        """Print `text` if it is time for a line."""
        now = time.monotonic()
        if not _is_live(self._to) and now - self._spoken >= self._seconds:
            self._to.print(text)
            self._spoken = now

    def _break_silence(self) -> None:
        pause = self._seconds
        while not self._ended.wait(pause):
            if time.monotonic() - self._spoken < pause:
                pause = self._seconds
            elif (text := self._silent()) is not None:
                self.say(text)
                pause = min(2 * pause, _LONGEST_SILENCE)


class LiveStep:
    """One step with a text and, once its size is known, a bar; shown on the standard output."""

    def __init__(self, text: str, to: Console = console) -> None:
        self._text, self._since = text, time.monotonic()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=to,
            transient=True,
            disable=not _is_live(to),
        )
        self._task = self._progress.add_task(text, total=None)
        self._plain = _PlainLines(to, _PLAIN_LINE_SECONDS, lambda: _so_far(self._text, self._since))

    def __enter__(self) -> LiveStep:
        self._progress.start()
        self._plain.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._plain.stop()
        self._progress.stop()

    def say(self, text: str) -> None:
        """Show `text`, of a size that is not known."""
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, total=None)
        self._tell(text)

    def advance(self, text: str, done: int, total: int) -> None:
        """Show `done` of `total`."""
        self._progress.update(self._task, description=text, completed=done, total=total)
        self._tell(f"{text}: {done} of {total}")

    def _tell(self, text: str) -> None:
        self._text, self._since = text, time.monotonic()
        self._plain.say(text)


class LiveRuns(Watcher):
    """All runs of a sweep: counts and time left, a bar for each that is training, a line when done.

    Parameters
    ----------
    jobs : sequence of Job
        The runs to do.
    reused : int
        Runs of the plan that were done before.
    side_by_side : int
    costs : Costs
        What is known of the cost of runs.
    """

    def __init__(
        self, jobs: Sequence[Job], *, reused: int, side_by_side: int, costs: Costs
    ) -> None:
        self._jobs = {job.job_id: job for job in jobs}
        self._reused = reused
        self._side_by_side = side_by_side
        self._costs = costs
        self._waiting = dict(self._jobs)
        self._since: dict[str, float] = {}
        self._epoch_seconds: dict[str, list[float]] = {}
        self._left_epochs: dict[str, int] = {}
        self._scores: dict[str, str] = {}
        self._done = self._failed = 0
        self._begun = time.monotonic()
        # The screen is drawn by a thread of its own. Nothing is printed while this is held, as that
        # thread holds what printing needs.
        self._lock = threading.Lock()
        self._plain = _PlainLines(console, _PLAIN_RUN_SECONDS, self._longest)
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[score]}", markup=False),
            console=console,
        )
        self._live = Live(console=console, get_renderable=self._screen, transient=True)

    def __enter__(self) -> LiveRuns:
        if self._jobs and _is_live(console):
            self._live.start()
        self._plain.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._plain.stop()
        self._live.stop()

    def started(self, job_id: str) -> None:
        """Show the bar of a run that has begun, or begun again."""
        job = self._jobs[job_id]
        with self._lock:
            self._waiting.pop(job_id, None)
            self._since[job_id] = time.monotonic()
            self._epoch_seconds[job_id] = []
            self._left_epochs[job_id] = _epochs(job)
        if job_id in self._bars:
            self._progress.reset(self._bars[job_id])
        else:
            self._bars[job_id] = self._progress.add_task(
                job.describe(), total=_epochs(job), score=""
            )

    def epoch(self, job_id: str, report: Any) -> None:
        """Move the bar of a run that has done an epoch."""
        if job_id not in self._since:
            self.started(job_id)
        job = self._jobs[job_id]
        self._epoch_seconds[job_id].append(report.seconds)
        self._left_epochs[job_id] = _epochs(job) - report.epoch
        score = f"validation BA {100 * report.valid_balanced_accuracy:.1f}"
        self._scores[job_id] = score
        self._progress.update(self._bars[job_id], completed=report.epoch, score=score)
        self._plain.say(f"{job.describe()} · epoch {report.epoch} of {_epochs(job)}")

    def finished(self, outcome: Outcome, record: Mapping[str, Any] | None) -> None:
        """Print the line of a run that has ended; its `record` sharpens the time left."""
        job_id = outcome.job_id
        with self._lock:
            self._waiting.pop(job_id, None)
            self._since.pop(job_id, None)
            if record is not None:
                self._costs.add(record)
        score = self._scores.pop(job_id, "")
        bar = self._bars.pop(job_id, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._done += outcome.error is None
        self._failed += outcome.error is not None
        text = f"{self._done + self._failed}/{len(self._jobs)} {self._jobs[job_id].describe()}"
        if outcome.elsewhere:
            console.print(f"{text} · done by another sweep")
        elif outcome.error is None:
            console.print(f"{text} · last {score}" if score else text)
        else:
            warn(f"{text} {outcome.status.replace('-', ' ')}: {outcome.error}")

    def _longest(self) -> str | None:
        """Of the runs that go on the one that began first."""
        with self._lock:
            running = list(self._since.items())
        if not running:
            return None
        job_id, since = min(running, key=lambda begun: begun[1])
        return _so_far(self._jobs[job_id].describe(), since)

    def _screen(self) -> Group:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        failed = Text(str(self._failed), style="bold red" if self._failed else "")
        seconds = self._seconds_left()
        cells: dict[str, str | Text] = {
            "done": str(self._done),
            "reused": str(self._reused),
            "running": str(len(self._since)),
            "failed": failed,
            "left": str(len(self._waiting)),
            "elapsed": in_words(time.monotonic() - self._begun),
            "time left": "not known yet" if seconds is None else f"about {in_words(seconds)}",
        }
        for heading in cells:
            table.add_column(heading, justify="right")
        table.add_row(*cells.values())
        return Group(Text(), table, Text(), self._progress)

    def _seconds_left(self) -> float | None:
        """Seconds until the sweep ends, as measured so far."""
        with self._lock:
            waiting = [self._seconds(job) for job in self._waiting.values()]
            running = [self._seconds_of_running(self._jobs[job_id]) for job_id in self._since]
        return time_left(waiting, running, self._side_by_side)

    def _seconds(self, job: Job) -> float | None:
        cost = self._costs.of(job)
        return None if cost is None else cost.seconds

    def _seconds_of_running(self, job: Job) -> float | None:
        """By the run's own pace once it has one."""
        if seconds := self._epoch_seconds[job.job_id]:
            return median(seconds) * self._left_epochs[job.job_id]
        whole = self._seconds(job)
        gone = time.monotonic() - self._since[job.job_id]
        return None if whole is None else max(whole - gone, 0.0)


def _so_far(text: str, since: float) -> str:
    return f"{text} · {in_words(time.monotonic() - since)} so far"


def _epochs(job: Job) -> int:
    """Those that a run tells of."""
    own = METHODS.get(job.method.name).cls.epochs(job.method.options)
    return own or job.training.epochs
