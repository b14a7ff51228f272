"""How long the runs to do will take, from the runs that are done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean
from typing import Any

from bench.sweep.plan import Job


def estimate(
    jobs: Sequence[Job], records: Iterable[Mapping[str, Any]], side_by_side: int, unlisted: int = 0
) -> str:
    """A sentence part such as ``"about 12 minutes (3 runs of no known cost not counted)"``.

    A run's cost is seconds an epoch of finished runs of the same data set and method, else of
    the same data set. `unlisted` counts runs whose data set is not here yet.
    """
    by_method, by_dataset = _seconds_an_epoch(records)
    known = [
        job.training.epochs * rate
        for job in jobs
        if (rate := by_method.get((job.dataset.label, job.method.label))
            or by_dataset.get((job.dataset.label,)))
    ]  # fmt: skip
    unknown = len(jobs) - len(known) + unlisted
    if not known:
        return "nothing to do" if unknown == 0 else "not known before a first run is done"
    words = "about " + in_words(sum(known) / min(side_by_side, len(jobs)))
    return words if unknown == 0 else f"{words} ({unknown} runs of no known cost not counted)"


def in_words(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def _seconds_an_epoch(
    records: Iterable[Mapping[str, Any]],
) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    """Mean seconds an epoch by (data set, method) and by (data set,)."""
    by_method, by_dataset = defaultdict(list), defaultdict(list)
    for record in records:
        job = record["job"]
        rate = record["time"]["seconds"] / job["training"]["epochs"]
        by_method[job["dataset"]["label"], job["method"]["label"]].append(rate)
        by_dataset[job["dataset"]["label"],].append(rate)
    return (
        {key: mean(rates) for key, rates in by_method.items()},
        {key: mean(rates) for key, rates in by_dataset.items()},
    )
