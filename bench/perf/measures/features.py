"""From SMILES to graphs, and from disk to graphs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.data.featurise import featurise as featurise_ours
from bench.data.prepare import prepare
from bench.perf.backends.available import available_stacks
from bench.perf.backends.ours import Ours
from bench.perf.backends.stack import Stack
from bench.perf.effort import Effort
from bench.perf.progress import say
from bench.perf.results import Comparison, Row
from bench.perf.spread import Spread, interleaved
from bench.perf.workload import Workload

_WHOLE = "the same, ours with canonical keys and environments"


def features(dataset: str, effort: Effort, data_dir: Path | None) -> list[Row | Comparison]:
    """Featurising, opening what is cached, and how the second saves the first."""
    workload = Workload.open(dataset, data_dir)
    say(f"{dataset}: featurising {effort.molecules} molecules")
    featurising = _featurising(workload, effort)
    say(f"{dataset}: opening features, then building them again")
    opening = _opening(workload, effort)
    built = Comparison(
        "cached features",
        dataset,
        "s",
        ("opened", opening.spreads[Ours.title]),
        ("built from the file, one process", Spread.of([_seconds_to_build(workload)])),
    )
    return [*featurising, opening, built]


def _featurising(workload: Workload, effort: Effort) -> list[Row]:
    smiles = workload.smiles(effort.molecules)

    def featurise(backend: type[Ours | Stack]) -> Callable[[int], object]:
        return lambda _round: backend.featurise(smiles)

    backends: list[type[Ours | Stack]] = [Ours, *available_stacks()]
    tasks = {backend.title: featurise(backend) for backend in backends}
    tasks[_WHOLE] = lambda _round: featurise_ours(smiles).graphs.with_environments()
    spreads = interleaved(tasks, effort.long_rounds)
    a_piece = {title: spread.times(1 / len(smiles)) for title, spread in spreads.items()}
    whole = a_piece.pop(_WHOLE)
    return [
        Row("featurising, molecules", workload.name, a_piece, "1/s"),
        Row(_WHOLE, workload.name, {**a_piece, Ours.title: whole}, "1/s"),
    ]


def _opening(workload: Workload, effort: Effort) -> Row:
    """Ours of all molecules; the others' of a sample, scaled to all molecules."""
    data = workload.prepared
    weights = Ours(data).network.state_dict()
    # About as many molecules as the featurising sample, two of a reaction.
    samples = np.arange(effort.molecules // len(data.entities))
    tasks: dict[str, Callable[[int], object]] = {Ours.title: lambda _round: _open(workload, None)}
    parts = {Ours.title: 1.0}
    with tempfile.TemporaryDirectory() as folder:
        for stack in available_stacks():
            graphs = stack(data, samples, weights)
            open_again = graphs.save_and_opener(Path(folder))
            tasks[stack.title] = _ignoring_the_round(open_again)
            parts[stack.title] = graphs.num_graphs / len(data.graphs)
        spreads = interleaved(tasks, effort.long_rounds)
    whole = {title: spread.times(1 / parts[title]) for title, spread in spreads.items()}
    return Row("opening saved features", workload.name, whole, "ms")


def _seconds_to_build(workload: Workload) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        _open(workload, Path(folder))
        return time.perf_counter() - started


def _ignoring_the_round(work: Callable[[], object]) -> Callable[[int], object]:
    return lambda _round: work()


def _open(workload: Workload, cache: Path | None) -> object:
    file = workload.located
    return prepare(workload.name, workload.dataset, file.path, file.sha256, cache_dir=cache)
