"""Two training jobs at once against one alone, one thread each, here or on one device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from bench.perf.effort import Effort
from bench.perf.fresh_process import use_threads
from bench.perf.method_run import MethodSteps, begin_run
from bench.perf.results import Comparison
from bench.perf.spread import Spread
from bench.perf.workload import Workload
from bench.training.run import choose_device


def side_by_side(
    dataset: str, batch_size: int, effort: Effort, data_dir: Path | None, device: str = "cpu"
) -> Comparison:
    """Training steps a second of one job, and of two jobs together, in turns."""
    alone, together = [], []
    with ExitStack() as stack:
        jobs = [stack.enter_context(_job(dataset, batch_size, data_dir, device)) for _ in range(2)]
        for _ in range(effort.long_rounds):
            alone.append(_rate(jobs[:1], effort.job_seconds))
            together.append(_rate(jobs, effort.job_seconds))
    return Comparison(
        f"two jobs at once, batch {batch_size}",
        dataset,
        "steps/s",
        ("one job", Spread.of(alone)),
        ("two jobs", Spread.of(together)),
    )


@contextmanager
def _job(dataset: str, batch_size: int, data_dir: Path | None, device: str) -> Iterator[Connection]:
    """A process that trains when it is told for how many seconds, and answers with its rate."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(
        target=_serve, args=(there, dataset, batch_size, data_dir, device), daemon=True
    )
    process.start()
    there.close()  # so that a job that dies ends the wait for its answer
    try:
        here.recv()
        yield here
    finally:
        here.close()
        process.join()


def _rate(jobs: list[Connection], seconds: float) -> float:
    """Training steps a second of all `jobs` together."""
    for job in jobs:
        job.send(seconds)
    return sum(job.recv() for job in jobs)


def _serve(
    connection: Connection, dataset: str, batch_size: int, data_dir: Path | None, device: str
) -> None:
    use_threads(1)
    workload = Workload.open(dataset, data_dir)
    step = MethodSteps(begin_run(workload, "vanilla", device=choose_device(device)))
    rng = np.random.default_rng(0)

    def train_for(seconds: float) -> float:
        steps, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds or not steps:
            step(rng.choice(workload.split.train, batch_size, replace=False))
            steps += 1
        step.wait()
        return steps / (time.perf_counter() - started)

    train_for(0)
    connection.send("ready")
    while True:
        try:
            seconds = connection.recv()
        except EOFError:
            return
        connection.send(train_for(seconds))
