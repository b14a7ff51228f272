"""An epoch of a contrastive method against an epoch of plain training."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import torch

from bench.config import Settings
from bench.method import METHODS, Context, Method
from bench.perf.contestants.ours import Ours
from bench.perf.effort import Effort
from bench.perf.progress import say
from bench.perf.results import Comparison
from bench.perf.spread import Spread
from bench.perf.workload import Workload
from bench.spec import check_options, parse_spec
from bench.training.loop import train
from bench.training.settings import TrainingSettings
from bench.training.view import SplitView

# `sdr` clusters anew before the first epoch after warm-up and then before every second one, so
# these two epochs are one whole turn of what follows warm-up in a run of usual length.
_WHOLE_RUN, _EPOCHS = 30, 2


def contrastive(dataset: str, effort: Effort, data_dir: Path | None) -> Comparison:
    """Seconds of an epoch of `vanilla` and of `sdr` after warm-up, validation included."""
    workload = Workload.open(dataset, data_dir)
    settings = Settings()
    batch_sizes = {
        "vanilla": settings.training.batch_size,
        "sdr[warm_up=0]": settings.contrastive_batch_size or settings.training.batch_size,
    }
    seconds: dict[str, list[float]] = {method: [] for method in batch_sizes}
    for number in range(effort.epoch_rounds):
        for method, size in batch_sizes.items():
            say(f"{dataset}: {_EPOCHS} epochs of {method}, round {number + 1}")
            seconds[method].append(_seconds_an_epoch(workload, method, size))
    vanilla, sdr = (Spread.of(values) for values in seconds.values())
    return Comparison(
        "contrastive epoch", dataset, "s", ("vanilla", vanilla), ("sdr, after warm-up", sdr)
    )


def _seconds_an_epoch(workload: Workload, text: str, batch_size: int) -> float:
    spec = parse_spec(text)
    cls = METHODS.get(spec.name).cls
    assert issubclass(cls, Method)
    ours = Ours(workload.prepared)
    collator, split = ours.network.collator(workload.prepared), workload.split
    context = Context(
        labels=workload.prepared.labels[split.train],
        num_classes=workload.prepared.num_classes,
        epochs=_WHOLE_RUN,
        seed=0,
        data_view=SplitView(collator, split, torch.device("cpu")),
    )
    method = cls(check_options(cls.options_type, spec, "method"), context)
    budget = TrainingSettings(epochs=_EPOCHS, batch_size=batch_size)
    result = train(ours.network, method, collator, split, budget, seed=0)
    return mean(report.seconds for report in result.history)
