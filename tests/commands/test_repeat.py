"""What a report prints to repeat an entry repeats it, pasted where the benchmark was started."""

import csv
import os
import shlex
import subprocess
import sys
from pathlib import Path

from bench import cli
from bench.sweep.store import Store
from tests.commands.conftest import ROWS

PROGRAM = Path(__file__).parents[2] / "run_bench.py"


def test_the_printed_command_gives_the_same_runs(toy_arguments, tmp_path, monkeypatch):
    """The printed command runs neither in the folder of the file nor in the checkout."""
    folder = tmp_path / "my data"
    folder.mkdir()
    # A semicolon and three bad rows of 64: what it takes to read them is in the command too.
    rows = ["smiles;class", *(f"{s};{c}" for s, c in [*ROWS, *[("C1CC", "ring")] * 3])]
    (folder / "it's mine.csv").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    arguments = toy_arguments(
        *("--methods", "vanilla,cb[beta=0.5]", "--set", "training.weight_decay=0"),
        *("--delimiter", ";", "--max-bad", "0.06"),
        path="my data/it's mine.csv",
    )
    typed = os.path.relpath(PROGRAM, tmp_path)
    monkeypatch.setattr(sys, "argv", [typed, *map(str, arguments)])
    assert cli.main() == 0
    with (tmp_path / "results" / "runs.csv").open(newline="") as file:
        run = list(csv.DictReader(file))[1]
    text = run["command"]
    assert shlex.split(text)[1] == typed
    assert str(tmp_path) not in text
    python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        text, shell=True, cwd=tmp_path, env={**os.environ, "PATH": python}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 run: 0 done before, 1 to do" in done.stdout
    assert run["job_id"] in {path.name for path in (tmp_path / "results/again/runs").iterdir()}
    record, repeated = (
        Store(tmp_path / out).read(run["job_id"]) for out in ("results", "results/again")
    )
    for part in ("job", "data", "metrics", "confusion", "selection"):
        assert repeated[part] == record[part]
