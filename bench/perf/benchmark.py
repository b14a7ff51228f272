"""All measures in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.perf.contestants.available import available_stacks, remark_on_missing
from bench.perf.effort import Effort
from bench.perf.fresh_process import in_fresh_process
from bench.perf.machine import machine_facts
from bench.perf.measures.contest import contest
from bench.perf.measures.contrastive import contrastive
from bench.perf.measures.features import features
from bench.perf.measures.side_by_side import side_by_side
from bench.perf.progress import say
from bench.perf.results import Comparison, Results, Row
from bench.perf.table import in_short
from bench.perf.workload import Workload

REMARKS = (
    "Medians with quartiles in brackets; contestants take turns, batch by batch the same samples. "
    "All compute the same logits from the same weights, which is asserted first.",
    "PyG featurises by `from_smiles`, which makes other and fewer features; it trains on ours.",
    "Saved features: ours are checked against their checksums; graphs of the others are of a "
    "sample, scaled to all molecules.",
    "Epoch: the steps of the training part at the measured step, without validation.",
    "Floor: multiply-adds of the dense matrix products of our step, forward and backward, at the "
    "rate measured in the same turns.",
)


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    datasets: Sequence[str]
    batch_sizes: Sequence[int]
    threads: Sequence[int]
    effort: Effort
    data_dir: Path | None


def measure(plan: Plan) -> Results:
    """Measure all of `plan`.

    Raises
    ------
    UnequalLogitsError
        The contestants do not compute the same.
    """
    missing = remark_on_missing(available_stacks())
    results = Results(machine_facts(), [*REMARKS, *([missing] if missing else [])])
    for found in _measurements(plan):
        results.add(found)
        say(f"  {in_short(found)}")
    return results


def _measurements(plan: Plan) -> Iterator[Row | Comparison]:
    effort, data_dir = plan.effort, plan.data_dir
    for dataset in plan.datasets:
        say(f"{dataset}: opening or building features")
        Workload.open(dataset, data_dir)
    for dataset in plan.datasets:
        yield from in_fresh_process(1, features, dataset, effort, data_dir)
    for threads in plan.threads:
        for dataset in plan.datasets:
            yield from in_fresh_process(
                threads, contest, dataset, plan.batch_sizes, threads, effort, data_dir
            )
    for dataset in plan.datasets:
        say(f"{dataset}: two jobs at once")
        yield side_by_side(dataset, plan.batch_sizes[0], effort, data_dir)
    for dataset in plan.datasets:
        yield in_fresh_process(1, contrastive, dataset, effort, data_dir)
