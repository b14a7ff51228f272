"""What the time of a training step goes to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

import bench.methods.contrastive.method as contrastive_method
from bench.perf.effort import Effort
from bench.perf.method_run import MethodSteps, begin_run
from bench.perf.results import Shares
from bench.perf.spread import Spread
from bench.perf.workload import Workload

P = ParamSpec("P")
T = TypeVar("T")

_METHODS = {"vanilla": "vanilla", "sdr": "sdr[warm_up=0]"}
_PARTS = ("batch", "views", "environments of views", "forward", "contrast", "backward", "optimiser")
_COMPRESS = "compress"


def shares(dataset: str, batch_size: int, effort: Effort, data_dir: Path | None) -> Shares:
    """Seconds of the parts of a step of `vanilla` and of `sdr` after warm-up, in turns."""
    workload = Workload.open(dataset, data_dir)
    rng = np.random.default_rng(0)
    seconds: dict[str, list[dict[str, float]]] = {title: [] for title in _METHODS}
    laps = {title: Laps() for title in _METHODS}
    steps = {title: MethodSteps(begin_run(workload, method)) for title, method in _METHODS.items()}
    for title, each in steps.items():
        _time_parts(each, laps[title])
    for number in range(effort.rounds + 1):
        batches = [
            rng.choice(workload.split.train, batch_size, replace=False) for _ in range(effort.steps)
        ]
        for title, each in steps.items():
            taken = _seconds_a_step(each, laps[title], batches)
            if number:  # a first turn is not counted
                seconds[title].append(taken)
    return Shares(
        dataset,
        batch_size,
        {
            title: {
                part: Spread.of([taken[part] for taken in rounds])
                for part in _PARTS
                if part in rounds[0]
            }
            for title, rounds in seconds.items()
        },
    )


class Laps:
    """Seconds by part; time in a part that begins within another is not the other's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    def of(self, part: str, work: Callable[P, T]) -> Callable[P, T]:
        """`work`, whose time from now on is that of `part`."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            self._charge()
            self._open.append(part)
            try:
                return work(*args, **kwargs)
            finally:
                self._charge()
                self._open.pop()

        return timed

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._open:
            part = self._open[-1]
            self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now


def _time_parts(steps: MethodSteps, laps: Laps) -> None:
    """Let `laps` know when a contrastive method makes views, and when it compares them."""
    for part in ("views", "contrast"):
        if hasattr(steps.method, part):
            setattr(steps.method, part, laps.of(part, getattr(steps.method, part)))


def _seconds_a_step(
    steps: MethodSteps, laps: Laps, batches: Sequence[np.ndarray]
) -> dict[str, float]:
    laps.seconds.clear()
    make, forward = laps.of("batch", steps.batch), laps.of("forward", steps.loss)
    backward, update = laps.of("backward", steps.backward), laps.of("optimiser", steps.update)
    with _environments_timed(laps):
        for positions in batches:
            backward(forward(make(positions)))
            update()
    return {part: seconds / len(batches) for part, seconds in laps.seconds.items()}


@contextmanager
def _environments_timed(laps: Laps) -> Iterator[None]:
    """Let `laps` know, too, when environments are looked for while a view is made."""
    plain = getattr(contrastive_method, _COMPRESS)
    setattr(contrastive_method, _COMPRESS, laps.of("environments of views", plain))
    try:
        yield
    finally:
        setattr(contrastive_method, _COMPRESS, plain)
