"""Epochs of contrastive methods against an epoch of plain training."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

from bench.perf.effort import Effort
from bench.perf.method_run import begin_run
from bench.perf.progress import say
from bench.perf.results import Comparison
from bench.perf.spread import Spread
from bench.perf.workload import Workload
from bench.training.settings import TrainingSettings

# `sdr` clusters again before every second epoch of a run of usual length; so it does here, as these
# two epochs are one whole turn of what follows warm-up.
_BUDGET = TrainingSettings(epochs=2)
_SPECS = {"sdr, after warm-up": "sdr[warm_up=0,update_interval=1.0]"}
_PLAIN = "vanilla"


def contrastive(dataset: str, effort: Effort, data_dir: Path | None) -> list[Comparison]:
    """Seconds of an epoch of contrastive methods and of `vanilla`, in turns, with validation."""
    workload = Workload.open(dataset, data_dir)
    methods = (_PLAIN, *effort.contrastive)
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    for number in range(effort.epoch_rounds):
        for method in methods:
            say(f"{dataset}: {_BUDGET.epochs} epochs of {method}, round {number + 1}")
            seconds[method].append(_seconds_an_epoch(workload, _SPECS.get(method, method)))
    spreads = {method: Spread.of(values) for method, values in seconds.items()}
    plain = spreads.pop(_PLAIN)
    return [
        Comparison("contrastive epoch", dataset, "s", (_PLAIN, plain), (method, spread))
        for method, spread in spreads.items()
    ]


def _seconds_an_epoch(workload: Workload, method: str) -> float:
    result = begin_run(workload, method, _BUDGET).fit()
    return mean(report.seconds for report in result.history)
