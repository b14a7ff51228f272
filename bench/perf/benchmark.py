"""All measures in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.perf.backends.available import (
    available_stacks,
    remark_on_missing,
    remark_on_missing_peers,
)
from bench.perf.effort import Effort
from bench.perf.fresh_process import in_fresh_process
from bench.perf.machine import gpu_facts, machine_facts
from bench.perf.measures.comparison import comparison
from bench.perf.measures.contrastive import contrastive
from bench.perf.measures.device import host_and_device
from bench.perf.measures.encoders import ENCODERS, encoder_epochs
from bench.perf.measures.features import features
from bench.perf.measures.shares import shares
from bench.perf.measures.side_by_side import side_by_side
from bench.perf.measures.whole_jobs import whole_jobs
from bench.perf.progress import say
from bench.perf.results import Finding, Results
from bench.perf.table import in_short
from bench.perf.workload import Workload

ENCODERS_REMARK = (
    "Epochs of an encoder: the steps of the training set at the measured step, without "
    "validation, with batches put together; turns of the encoder, of the same one on its "
    "authors' or PyTorch Geometric's layers, and of gcn. All have the same logits from the same "
    "weights, which is asserted first, and read the same atoms and bonds."
)

REMARKS = (
    "Medians with quartiles in brackets; backends take turns, batch by batch the same samples. "
    "All compute the same logits from the same weights, which is asserted first.",
    "PyG featurises by `from_smiles`, which makes other and fewer features; it trains on ours.",
    "Saved features: ours are checked against their checksums; graphs of the others are of a "
    "sample, scaled to all molecules.",
    "Epoch: the steps of the training set at the measured step, without validation.",
    "Floor: multiply-adds of the dense matrix products of our step, forward and backward, at the "
    "rate measured in the same turns, by the library named, the fastest one here.",
    "Contrastive epochs: the same budget and batch as vanilla's; second / first is times vanilla's "
    "epoch, validation included, that of sdr with its share of clustering.",
    ENCODERS_REMARK,
    "Parts of a step: sdr after warm-up; forward is all that is left of the loss, encoders above "
    "all; environments of views are looked for while views are made, and counted by themselves.",
)

REMARKS_ON_DEVICES = (
    "Medians with quartiles in brackets; processor (one thread) and device take turns, batch by "
    "batch the same samples. The losses of the first steps are equal within 1e-3, which is "
    "asserted first.",
    "Steps: with batches assembled one by one, until the device has done all. Epochs: by the "
    "training loop, with all that it does ahead for an epoch, and validation.",
    "Deterministic algorithms, as in runs. Two jobs at once share the device without MPS unless "
    "it is started.",
)


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    datasets: Sequence[str]
    batch_sizes: Sequence[int]
    threads: Sequence[int]
    effort: Effort
    data_dir: Path | None
    whole_jobs: bool


@dataclass(frozen=True)
class DevicePlan:
    """What is measured on the processor and on a device."""

    datasets: Sequence[str]
    batch_sizes: Sequence[int]
    effort: Effort
    data_dir: Path | None
    device: str = "cuda"


def measure(plan: Plan) -> Results:
    """Measure all of `plan`.

    Raises
    ------
    UnequalLogitsError
        The backends do not compute the same.
    """
    missing = remark_on_missing(available_stacks()), remark_on_missing_peers()
    remarks = [*REMARKS, *(text for text in missing if text)]
    return _collected(Results(machine_facts(), remarks), _measurements(plan))


def measure_encoders(plan: Plan) -> Results:
    """Measure the encoders of `plan` alone.

    Raises
    ------
    UnequalLogitsError
        An encoder and its peer do not compute the same.
    """
    missing = remark_on_missing_peers()
    remarks = ["Medians with quartiles in brackets.", ENCODERS_REMARK]
    results = Results(machine_facts(), [*remarks, *([missing] if missing else [])])
    return _collected(results, _measurements_of_encoders(plan))


def measure_device(plan: DevicePlan) -> Results:
    """Measure all of `plan`.

    Raises
    ------
    UnequalLossesError
        Processor and device do not compute the same.
    """
    facts = {**machine_facts(), "GPU": gpu_facts(plan.device)}
    return _collected(Results(facts, [*REMARKS_ON_DEVICES]), _measurements_on_device(plan))


def _collected(results: Results, findings: Iterable[Finding]) -> Results:
    for found in findings:
        results.add(found)
        say(f"  {in_short(found)}")
    return results


def _measurements(plan: Plan) -> Iterator[Finding]:
    effort, data_dir = plan.effort, plan.data_dir
    for dataset in plan.datasets:
        say(f"{dataset}: opening or building features")
        Workload.open(dataset, data_dir)
    for dataset in plan.datasets:
        yield from in_fresh_process(1, features, dataset, effort, data_dir)
    for threads in plan.threads:
        for dataset in plan.datasets:
            yield from in_fresh_process(
                threads, comparison, dataset, plan.batch_sizes, threads, effort, data_dir
            )
    for dataset in plan.datasets:
        say(f"{dataset}: two jobs at once")
        yield side_by_side(dataset, plan.batch_sizes[0], effort, data_dir)
    for dataset in plan.datasets:
        yield in_fresh_process(1, shares, dataset, plan.batch_sizes[0], effort, data_dir)
    yield from _measurements_of_encoders(plan)
    for dataset in plan.datasets:
        yield from in_fresh_process(1, contrastive, dataset, effort, data_dir)
    if plan.whole_jobs:
        yield from whole_jobs(data_dir)


def _measurements_of_encoders(plan: Plan) -> Iterator[Finding]:
    for dataset in plan.datasets:
        say(f"{dataset}: opening or building features")
        Workload.open(dataset, plan.data_dir)
    for dataset in plan.datasets:
        for encoder in ENCODERS:
            yield from in_fresh_process(
                1, encoder_epochs, dataset, encoder, plan.batch_sizes[0], plan.effort, plan.data_dir
            )


def _measurements_on_device(plan: DevicePlan) -> Iterator[Finding]:
    effort, data_dir = plan.effort, plan.data_dir
    for dataset in plan.datasets:
        say(f"{dataset}: opening or building features")
        Workload.open(dataset, data_dir)
    for dataset in plan.datasets:
        yield from in_fresh_process(
            1, host_and_device, dataset, plan.batch_sizes, plan.device, effort, data_dir
        )
    for dataset in plan.datasets:
        say(f"{dataset}: two jobs at once on the device")
        yield side_by_side(dataset, plan.batch_sizes[0], effort, data_dir, plan.device)
