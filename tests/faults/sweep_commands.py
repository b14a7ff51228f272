"""The command line in a process group of its own, forked from one that has imported everything."""

import csv
import os
import signal
import sys
from contextlib import suppress
from functools import cache, partial
from multiprocessing import forkserver, get_context
from pathlib import Path
from unittest import mock

from tests.commands.conftest import ROWS

# With the runs that dive depends on, twelve.
TWELVE = ("--methods", "vanilla,cb,dive", "--seeds", "0,1,2", "--jobs", "2")


def write_csv(folder):
    """The small data set of the tests of commands."""
    path = folder / "toy.csv"
    path.write_text("\n".join(["smiles,class", *(f"{s},{c}" for s, c in ROWS)]) + "\n")
    return path


@cache
def _server():
    """A server of the commands' own: the usual one imports what the benchmark says, and no more."""
    from tests.faults import imported  # what fails to be imported in a server is passed over there

    server = forkserver.ForkServer()
    server.set_forkserver_preload([imported.__name__])
    return server


class Command:
    """A benchmark on the small data set in `folder`, its results in ``folder/out``."""

    def __init__(self, folder, *more, out="results", prepare=None):
        self.out = folder / out
        self.log = folder / f"{out}.log"
        data = write_csv(folder)
        arguments = (
            "--data", data, "--smiles-col", "smiles", "--label-col", "class", "--splits", "random",
            "--epochs", "2", "--set", "training.batch_size=16", "--out", self.out, *more,
        )  # fmt: skip
        self.process = get_context("forkserver").Process(
            target=_run, args=([*map(str, arguments)], folder / "cache", self.log, prepare)
        )
        connect = _server().connect_to_new_process
        with mock.patch.object(forkserver, "connect_to_new_process", connect):
            self.process.start()

    def wait(self, seconds=120):
        """The exit code."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, self.log.read_text()
        return self.process.exitcode

    def send(self, number):
        """Send a signal to the command alone."""
        os.kill(self.process.pid, number)

    def kill(self):
        """Kill the command and all that it has started, as a power cut would."""
        for kill in (os.killpg, os.kill):  # it may have no group of its own yet
            with suppress(ProcessLookupError):  # or have ended
                kill(self.process.pid, signal.SIGKILL)
        self.process.join()


def _run(arguments, cache, log, prepare):
    os.setsid()
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update({"LTDD_CACHE_DIR": str(cache), "COLUMNS": "200"})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from bench import cli
    from bench.sweep import local, worker
    from bench.training.checkpoint import CheckpointFile

    # This process was forked from one that had imported all and done nothing: so are its runs.
    local._context = partial(get_context, "fork")
    worker.CheckpointFile = partial(CheckpointFile, every_seconds=0)
    if prepare is not None:
        prepare()
    sys.argv = ["run_bench.py", *arguments]
    sys.exit(cli.main())


def figures(out):
    """``runs.csv`` without its column of times."""
    with (Path(out) / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def left_behind(out):
    """Whatever only running sweeps have in a results folder."""
    names = (".tmp-*", ".progress-*", "checkpoints/*", ".leases/*.json")
    return sorted(str(path) for name in names for path in Path(out).rglob(name))
