"""``python -m bench.perf.reports``: what it costs to read many runs, and many classes.

Runs that were never trained are written to a temporary folder as an archive leaves them, with
labels and predicted classes, then reported and verified. Seconds are those of the processor.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from tabulate import tabulate

import bench
from bench.perf.fresh_process import in_fresh_process
from bench.perf.machine import machine_facts
from bench.perf.progress import say
from bench.perf.synthetic_runs import write_many_classes, write_runs
from bench.training.run import peak_memory_bytes


@dataclass(frozen=True)
class Cost:
    """Of one measure, alone in its process; `bound_seconds` is what it may take."""

    what: str
    size: str
    seconds: float
    peak_bytes: int
    bound_seconds: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--classes", type=click.IntRange(2), default=29, show_default=True, help="of a run")
@click.option(
    "--samples", type=click.IntRange(2), default=3800, show_default=True, help="of a test"
)
@click.option(
    "--many-classes",
    type=click.IntRange(2),
    default=5000,
    show_default=True,
    help="of a file with three rows of each, which is trained on for an epoch",
)
@click.option("--markdown", is_flag=True, help="print the table as Markdown")
def reports(runs: int, classes: int, samples: int, many_classes: int, markdown: bool) -> None:
    """Time `report` and `verify` on many runs, AUROC and an epoch with many classes.

    Bounds are those of the default sizes.
    """
    size = f"{runs:,} runs, {classes} classes, {samples:,} samples"
    found = []
    with TemporaryDirectory() as folder:
        root = Path(folder)
        say(f"Writing {size}")
        in_fresh_process(1, write_runs, root / "runs", runs, classes, samples)
        for what, measure, bound in (("report", _report, 10.0), ("verify", _verify, 20.0)):
            say(what)
            found.append(Cost(what, size, *in_fresh_process(1, measure, root / "runs"), bound))
        say("AUROC")
        found.append(
            Cost("AUROC", "300 classes, 3,000 samples", *in_fresh_process(1, _aurocs), 0.2)
        )
        say(f"An epoch with {many_classes:,} classes")
        rows = write_many_classes(root / "many.csv", many_classes)
        found.append(
            Cost(
                "run and report, 1 epoch",
                f"{many_classes:,} classes, {rows:,} rows",
                *in_fresh_process(1, _epoch, root),
                60.0,
            )
        )
    click.echo(_table(found, markdown=markdown))


def _report(root: Path) -> tuple[float, int]:
    from bench.commands.report import rebuild_report

    return _cost(lambda: rebuild_report(root))


def _verify(root: Path) -> tuple[float, int]:
    from bench.commands.verify import verify_results

    return _cost(lambda: verify_results(root))


def _aurocs() -> tuple[float, int]:
    from bench.metrics import aurocs

    scores = np.random.default_rng(0).normal(size=(3000, 300))
    labels = np.arange(3000) % 300
    return _cost(lambda: aurocs(labels, scores))


def _epoch(root: Path) -> tuple[float, int]:
    """The command as it is typed."""
    words = ["--data", "many.csv", "--smiles-col", "smiles", "--label-col", "label"]
    words += ["--methods", "vanilla", "--splits", "random", "--seeds", "0", "--epochs", "1"]
    script = str(Path(bench.__file__).parents[1] / "run_bench.py")
    command = [sys.executable, script, *words, "--out", "many"]
    environment = {**os.environ, "LTDD_CACHE_DIR": str(root / "cache")}

    def run() -> None:
        quiet = subprocess.DEVNULL
        subprocess.run(command, cwd=root, env=environment, check=True, stdout=quiet)

    return _cost(run)


def _cost(work: Callable[[], object]) -> tuple[float, int]:
    """Seconds of the processor, of its children too, and the largest resident size."""
    before = os.times()
    with redirect_stdout(StringIO()):
        work()
    spent = [after - start for after, start in zip(os.times()[:4], before[:4], strict=True)]
    peaks = [peak_memory_bytes(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(spent), max(peaks)


def _table(found: Sequence[Cost], *, markdown: bool) -> str:
    facts = [f"{name}: {value}" for name, value in machine_facts().items()]
    lines = [
        [
            cost.what,
            cost.size,
            f"{cost.seconds:.2f}",
            f"{cost.bound_seconds:g}",
            f"{cost.peak_bytes / 1e6:,.0f}",
        ]
        for cost in found
    ]
    headings = ["what", "size", "CPU [s]", "at most [s]", "peak memory [MB]"]
    table = tabulate(
        lines, headings, tablefmt="github" if markdown else "simple", disable_numparse=True
    )
    bullets = "\n".join(f"- {fact}" if markdown else fact for fact in facts)
    return f"{bullets}\n\n{table}"


if __name__ == "__main__":
    reports()
