"""Repeated timings as a median and quartiles, taken in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Quartiles of repeated measurements, all in the same unit."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Quartiles of `values`, interpolated linearly."""
        return cls(*np.quantile(values, (0.25, 0.5, 0.75)).tolist())

    def times(self, factor: float) -> Spread:
        """The same measurements of `factor` times as much work."""
        return Spread(self.lower * factor, self.median * factor, self.upper * factor)


def interleaved(tasks: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, Spread]:
    """Seconds that each task takes, all of them in turns, so that a slow minute slows all alike.

    Parameters
    ----------
    tasks : mapping of str to callable
        Called with the number of the round. Rounds 0 to `rounds` - 1 are timed; before them, each
        task is called once with 0 and not timed.
    rounds : int
    """
    names = list(tasks)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for task in tasks.values():
        task(0)
    for number in range(rounds):
        first = number % len(names)  # nobody always follows the same one
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            tasks[name](number)
            seconds[name].append(time.perf_counter() - started)
    return {name: Spread.of(values) for name, values in seconds.items()}
