"""Commands as they are typed: the quick benchmark, and what the paper's would take."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import bench
from bench.config import resolve
from bench.errors import BenchError
from bench.perf.progress import say
from bench.perf.results import Remark, WholeJob
from bench.perf.workload import Workload
from bench.sweep.local import default_jobs
from bench.sweep.store import Store

_PROGRAM = Path(bench.__file__).parents[1] / "run_bench.py"
_ENDED_RUN = re.compile(r"\d+/\d+ ")


class FailedCommandError(BenchError):
    """A command that is timed did not end well."""

    exit_code = 1


def whole_jobs(
    data_dir: Path | None, preset: str = "quick", estimated: str = "paper"
) -> Iterator[WholeJob | Remark]:
    """Run `preset` from cached features into a folder of its own; estimate `estimated`."""
    for dataset in resolve(preset, {}).settings.datasets:
        say(f"{dataset}: opening or building features")
        Workload.open(dataset, data_dir)
    with TemporaryDirectory() as folder:
        root, jobs = Path(folder), default_jobs()
        say(f"Preset {preset}, {jobs} runs side by side")
        started = time.perf_counter()
        _run(["--preset", preset, "--jobs", str(jobs)], root / "runs", data_dir)
        wall = time.perf_counter() - started
        training = [record["time"]["seconds"] for record in Store(root / "runs").records()]
        yield WholeJob(f"preset {preset}", wall, jobs, len(training), sum(training))
        for place, out in (("an empty folder", "nothing"), ("that job's folder", "runs")):
            yield Remark(
                f"Preset {estimated} on one core, as --dry-run says in {place}: "
                f"{_estimate(estimated, root / out, data_dir)}."
            )


def _estimate(preset: str, out: Path, data_dir: Path | None) -> str:
    # With one run at a time, hours until the end are core-hours.
    printed = _run(["--preset", preset, "--jobs", "1", "--dry-run"], out, data_dir)
    first, *reasons = printed.rpartition("Time: ")[2].splitlines()
    return f"{first} {'; '.join(reason.strip() for reason in reasons)}".rstrip()


def _run(arguments: list[str], out: Path, data_dir: Path | None) -> str:
    """What ``run_bench.py`` prints; runs that end are told on the way.

    Raises
    ------
    FailedCommandError
        It ended with another code than 0.
    """
    command = [sys.executable, str(_PROGRAM), *arguments, "--out", str(out)]
    if data_dir is not None:
        command += ["--data-dir", str(data_dir)]
    printed = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line)
            if _ENDED_RUN.match(line):
                say(f"  {line.rstrip()}")
    if process.returncode != 0:
        raise FailedCommandError(
            f"Expected exit code 0 from {' '.join(command)}, but got {process.returncode}. It "
            f"ended with:\n{''.join(printed[-10:])}"
        )
    return "".join(printed)
