"""What a run costs, from the runs that are done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any, NamedTuple

from bench.method import METHODS, Method
from bench.spec import label_and_encoder
from bench.sweep.plan import Job

# What the cost of a run can rest on, the surest first.
SAME = "the same method on the same data set"
RATIO = "other methods on the same data set, by the ratio of the two elsewhere"
OTHER = "other methods on the same data set, at the same cost"
SIZE = "the same method on other data sets, by the number of samples"
GUESS = "other methods on other data sets, by the number of samples"
RULE = (
    "a rule of thumb, as nothing was measured here: 40 microseconds a sample and epoch, "
    "3 times that with contrast, 5 times with another encoder than gcn"
)
BASES = (SAME, RATIO, OTHER, SIZE, GUESS, RULE)

# `python -m bench.perf` measures them, as seconds of an epoch.
_RULE_SECONDS, _RULE_CONTRAST, _RULE_ENCODER = 40e-6, 3, 5


@dataclass(frozen=True)
class Cost:
    """Seconds of a run, and which of the bases above they rest on."""

    seconds: float
    basis: str


@dataclass(frozen=True)
class _Measured:
    """What a finished run took: seconds an epoch, and seconds besides."""

    an_epoch: float
    besides: float

    def seconds(self, epochs: int) -> float:
        return self.besides + epochs * self.an_epoch


class _Row(NamedTuple):
    """Label of a method without its encoder of molecules, and the encoder's."""

    method: str
    encoder: str


_Measurements = dict[tuple[str, _Row], list[_Measured]]


class Costs:
    """What runs cost, learned from records; it rests on the surest basis that there is.

    Parameters
    ----------
    samples : mapping
        Number of samples by label of the data set; records add those of theirs.
    records : iterable of mapping
    device : str, optional
        Name of the device that runs will have, as records give it: others say nothing of their
        cost. When it is not known, that of most records.
    """

    def __init__(
        self,
        samples: Mapping[str, int],
        records: Iterable[Mapping[str, Any]] = (),
        device: str | None = None,
    ) -> None:
        self._samples = dict(samples)
        self._device = device
        self._by_device: dict[str, _Measurements] = {}
        self._costs: dict[tuple[str, _Row, int], Cost | None] = {}
        for record in records:
            self.add(record)

    def add(self, record: Mapping[str, Any]) -> None:
        """Learn from the record of a finished run."""
        job = record["job"]
        dataset, encoder = job["dataset"]["label"], job["backbones"].get("molecule", {})
        row = _row(job["method"]["label"], encoder.get("label", ""))
        measured = self._by_device.setdefault(record["provenance"]["device"], defaultdict(list))
        measured[dataset, row].append(_measured(record))
        self._samples.setdefault(dataset, record["data"]["samples"])
        self._costs.clear()

    @property
    def _measured(self) -> _Measurements:
        """What was measured on the device, by data set and method."""
        if self._device is not None:
            return self._by_device.get(self._device, {})
        found = self._by_device.values()
        return max(found, key=lambda runs: sum(map(len, runs.values())), default={})

    def of(self, job: Job) -> Cost | None:
        """The cost of `job`, or None when nothing is known that it could rest on."""
        encoder = job.backbones.get("molecule")
        row = _row(job.method.label, "" if encoder is None else encoder.label)
        key = (job.dataset.label, row, job.training.epochs)
        if key not in self._costs:
            seconds = self._seconds(*key)
            self._costs[key] = None if seconds is None else Cost(seconds, SAME)
            if seconds is None:
                self._costs[key] = next(self._from_others(*key), self._by_rule(job))
        return self._costs[key]

    def typical_error(self, basis: str, epochs: int) -> tuple[float, int]:
        """How far `basis` is off where the truth is known: median share, and number of checks."""
        errors = []
        for (dataset, method), runs in self._measured.items():
            if basis == SAME:
                for left_out, run in enumerate(runs):
                    others = [o.seconds(epochs) for n, o in enumerate(runs) if n != left_out]
                    if others:
                        errors.append(abs(median(others) / run.seconds(epochs) - 1))
                continue
            truth = median(run.seconds(epochs) for run in runs)
            for cost in self._from_others(dataset, method, epochs):
                if cost.basis == basis:
                    errors.append(abs(cost.seconds / truth - 1))
        return (median(errors) if errors else 0.0), len(errors)

    def _by_rule(self, job: Job) -> Cost | None:
        samples = self._samples.get(job.dataset.label)
        if samples is None:
            return None
        factor = _RULE_CONTRAST if job.method.contrastive else 1
        encoder = job.backbones.get("molecule")
        trains = issubclass(METHODS.get(job.method.name).cls, Method)
        if trains and encoder is not None and encoder.name != "gcn":
            factor *= _RULE_ENCODER
        return Cost(factor * samples * job.training.epochs * _RULE_SECONDS, RULE)

    def _seconds(self, dataset: str, method: _Row, epochs: int) -> float | None:
        """Seconds as measured; the median, as a machine that paused spoils a mean."""
        runs = self._measured.get((dataset, method))
        return median(run.seconds(epochs) for run in runs) if runs else None

    def _from_others(self, dataset: str, method: _Row, epochs: int) -> Iterator[Cost]:
        """Costs that use no run of this method on this data set, the surest first.

        Only ratios rest on runs with another encoder.
        """
        datasets = sorted({d for d, _ in self._measured} - {dataset})
        methods = sorted({m for _, m in self._measured} - {method})
        here = {m: s for m in methods if (s := self._seconds(dataset, m, epochs)) is not None}
        by_ratio = []
        for other, elsewhere in product(here, datasets):
            own = self._seconds(elsewhere, method, epochs)
            theirs = self._seconds(elsewhere, other, epochs)
            if own is not None and theirs:
                by_ratio.append(here[other] * own / theirs)
        if by_ratio:
            yield Cost(median(by_ratio), RATIO)
        alike = [other for other in methods if other.encoder == method.encoder]
        if costs := [here[other] for other in alike if other in here]:
            yield Cost(median(costs), OTHER)
        if dataset not in self._samples:
            return
        for basis, known in ((SIZE, [method]), (GUESS, alike)):
            by_size = [
                seconds * self._samples[dataset] / self._samples[elsewhere]
                for elsewhere, name in product(datasets, known)
                if (seconds := self._seconds(elsewhere, name, epochs)) is not None
            ]
            if by_size:
                yield Cost(median(by_size), basis)


def _row(label: str, encoder: str) -> _Row:
    return _Row(label_and_encoder(label)[0], encoder)


def _measured(record: Mapping[str, Any]) -> _Measured:
    """Cost of a finished run; the median of a stage's epochs, as a machine may have paused."""
    stages = defaultdict(list)
    for epoch in record["history"]:
        # No rule asks for a stage: epochs without one are one stage.
        stages[epoch.get("stage", "")].append(epoch["seconds"])
    epochs = record["job"]["training"]["epochs"]
    in_epochs = sum(sum(seconds) for seconds in stages.values())
    return _Measured(
        an_epoch=sum(median(seconds) * len(seconds) for seconds in stages.values()) / epochs,
        besides=max(record["time"]["seconds"] - in_epochs, 0.0),
    )
