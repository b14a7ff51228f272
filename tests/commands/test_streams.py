"""What is printed never commands the terminal, and a terminal that takes little ends nothing."""

import io
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from bench import cli
from bench.commands.console import console, warn
from bench.plain_text import visible
from tests.commands.conftest import ALCOHOLS, AMINES, RINGS

ROOT = Path(__file__).parents[2]
HIDDEN = "\x1b[31mRED\x1b]0;pwned\x07\x9b\u202e"
# Rich leaves the bell out of its texts altogether.
SHOWN = re.compile(r"\\x1b\[31mRED\\x1b\]0;pwned(\\x07)?\\x9b\\u202e")


def print_table():
    table = Table(HIDDEN, title=HIDDEN)
    table.add_row(Text(HIDDEN, "bold"))
    table.add_row(HIDDEN)
    console.print(table)


@pytest.mark.parametrize(
    "say",
    [
        lambda: console.print(HIDDEN, "\ud800"),
        lambda: console.print(Text(HIDDEN, "red"), HIDDEN, style="bold"),
        lambda: warn(HIDDEN),
        lambda: logging.getLogger("bench").warning("%s", HIDDEN),
        lambda: warnings.warn(HIDDEN, stacklevel=1),
        print_table,
    ],
    ids=["text", "texts", "remark", "log", "python", "table"],
)
def test_control_characters_are_shown_and_not_obeyed(say, bench, monkeypatch, capsys):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    assert bench("--version")[0] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # pytest keeps warnings for itself otherwise.
        monkeypatch.setattr(warnings, "showwarning", lambda *a: sys.stderr.write(_formatted(*a)))
        say()
    printed = "".join(capsys.readouterr())
    assert SHOWN.search(printed)
    assert visible(printed) == printed


def _formatted(message, category, filename, lineno, file=None, line=None):
    return warnings.formatwarning(message, category, filename, lineno, line)


def test_errors_show_control_characters(bench):
    file = ["--data", f"/{HIDDEN}.csv", "--smiles-col", "smiles", "--label-col", "class"]
    for arguments in ([*file, "--dry-run"], ["--preset", HIDDEN], [HIDDEN], ["--set", HIDDEN]):
        code, _, err = bench(*arguments)
        assert code == 2
        assert "RED" in err
        assert visible(err) == err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_sweep_with_names_that_the_terminal_lacks_runs_to_its_end(
    encoding, csv, toy_arguments, tmp_path, monkeypatch
):
    """A Greek class, or the point of a progress line, ends a sweep whose output is not UTF-8."""
    names = {"\u03b1": ALCOHOLS, "\u0416": AMINES, HIDDEN: RINGS}
    path = csv([(smiles, name) for name, own in names.items() for smiles in own])
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    for arguments in (
        toy_arguments("--methods", "vanilla", path=path),
        toy_arguments("--methods", "vanilla", "--dry-run", path=path),
        ("report", "--out", tmp_path / "results"),
        (
            "data",
            f'csv[path="{path}",smiles_columns=["smiles"],label_column=class]',
        ),
    ):
        monkeypatch.setattr(sys, "argv", ["run_bench.py", *map(str, arguments)])
        assert cli.main() == 0
    for stream in streams.values():
        stream.flush()
    printed = streams["stdout"].buffer.getvalue().decode(encoding)
    assert r"\u03b1" in printed
    assert r"\x1b[31mRED" in printed
    assert visible(printed) == printed
    for file in (tmp_path / "results").glob("[a-z]*.*"):
        text = file.read_text(encoding="utf-8")
        assert visible(text) == text


@pytest.mark.parametrize("arguments", [["--help"], ["--print-config"]])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_behind_the_output_is_one_line(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "run_bench.py", *arguments],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(r"Error: Expected to print .*No space left on device.*\n", done.stderr)


@pytest.mark.parametrize("arguments", [["--help"], ["--print-config"]])
def test_a_pipe_that_is_closed_ends_the_command_in_silence(arguments):
    read, written = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "run_bench.py", *arguments],
        cwd=ROOT, stdout=written, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(written)
    assert done.returncode != 0
    assert done.stderr == ""


@pytest.mark.parametrize(
    "error",
    [PermissionError(13, "denied", "/a/file"), OSError(28, "full", "/a/file"), OSError("?")],
)
def test_an_error_from_elsewhere_prints_nothing(error, monkeypatch, capsys):
    """An empty line is printed to see whether the output is broken, which it is not."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("bench.commands.verify.verify_results", fail)
    monkeypatch.setattr(sys, "argv", ["run_bench.py", "verify"])
    with pytest.raises(OSError):
        cli.main()
    assert "".join(capsys.readouterr()) == ""
