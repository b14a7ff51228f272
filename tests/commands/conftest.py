"""A small CSV file of real molecules in three classes, and a command line to run on it."""

import sys

import pytest

from bench import cli

ALCOHOLS = [f"{'C' * n}O" for n in range(1, 31)]
AMINES = [f"{'C' * n}N" for n in range(1, 21)]
RINGS = [f"{'C' * n}c1ccccc1" for n in range(11)]
ROWS = (
    [(smiles, "alcohol") for smiles in ALCOHOLS]
    + [(smiles, "amine") for smiles in AMINES]
    + [(smiles, "ring") for smiles in RINGS]
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LTDD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def csv(tmp_path):
    """Writes rows of (SMILES, class) to a CSV file and gives its path."""

    def write(rows=ROWS, name="toy.csv", newline="\n", encoding="utf-8"):
        path = tmp_path / name
        text = newline.join(["smiles,class", *(f"{s},{c}" for s, c in rows)]) + newline
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.fixture
def bench(monkeypatch, capsys):
    """Runs the command line in this process: exit code, standard output, standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_bench.py", *map(str, arguments)])
        code = cli.main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def toy_arguments(csv, tmp_path):
    """Arguments of a benchmark on the CSV file that takes a second or two."""

    def make(*more, path=None, out="results"):
        return (
            "--data", path or csv(), "--smiles-col", "smiles", "--label-col", "class",
            "--splits", "random", "--epochs", 2, "--set", "training.batch_size=16",
            "--methods", "vanilla,cb", "--executor", "in-process", "--out", tmp_path / out, *more,
        )  # fmt: skip

    return make
