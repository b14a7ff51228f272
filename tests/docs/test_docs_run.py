"""Every command and every example of README, CONTRIBUTING and the site is one that works.

By default each command is read by the command line's own parser, its settings are resolved, and
each example is compiled. The slow test runs those for which small files suffice, in the order of
reading, in a copy of the checkout.
"""

import os
import shutil
import subprocess
import sys
import time

import click
import pytest

from bench.cli import cli
from bench.commands.arguments import resolve_arguments
from bench.errors import BenchError
from bench.sweep.plan import expand
from tests.docs.pages import ROOT, arguments_of, blocks, navigation

# Commands that nobody may run in a test: how they begin, and why.
NOT_RUN = {
    "python3.11 -m venv": "sets up another environment",
    "pip install": "needs a network",
    "pytest": "is what runs this",
    "pre-commit": "needs a network",
    "mkdocs": "is run by .ci/run",
    ".ci/run": "is what runs this",
    "git": "changes a repository",
    "python -m bench.perf": "takes minutes",
    "python -m tests.simulated_device": "takes minutes",
    "python run_bench.py data hiv": "downloads a file",
    "python run_bench.py compare centre_loss": "needs three runs on real data",
    "python run_bench.py compare my_method": "needs three runs on real data",
    "python run_bench.py check pna.py": "needs torch_geometric; tests/backbones runs it",
    "python run_bench.py --plugin pna.py": "needs torch_geometric; tests/backbones runs it",
}
# A method that was just begun fails one check.
FAILS = {"python run_bench.py check my_method": 1}

MOLECULES = (
    [(f"{'C' * n}O", "alcohol") for n in range(1, 41)]
    + [(f"{'C' * n}N", "amine") for n in range(1, 31)]
    + [(f"{'C' * n}c1ccccc1", "ring") for n in range(20)]
)
COMMANDS = [
    pytest.param(block, words, id=f"{block.page}:{block.line} {' '.join(words)[:60]}")
    for block in blocks("bash")
    for words in block.commands()
]
OURS = [one for one in COMMANDS if arguments_of(one.values[1]) is not None]


@pytest.mark.parametrize(("block", "words"), OURS)
def test_each_command_has_words_that_the_command_line_knows(block, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = arguments_of(words)
    if "--help" in arguments:
        assert arguments == ["--help"]
        return
    context, command = parsed(arguments)
    if command is None and not context.params["listing"]:
        resolved(context)


@pytest.mark.parametrize("words", ["--no-such 1", "no-such", "report --no-such", "--epochs many"])
def test_a_command_that_the_command_line_does_not_know_is_found(words):
    with pytest.raises(click.UsageError):
        parsed(words.split())


def test_a_name_that_does_not_exist_is_found(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError):
        resolved(parsed(["--methods", "no_such_method"])[0])


def parsed(arguments):
    """The context of the command line, and that of a command; no command is carried out."""
    context = cli.make_context("run_bench.py", [*arguments])
    left = [*context._protected_args, *context.args]
    if not left:
        return context, None
    name, command, rest = cli.resolve_command(context, left)
    return context, command.make_context(name, rest, parent=context)


def resolved(context):
    """Settings of a benchmark, by names that exist; files and own methods need not."""
    parameters = dict(context.params)
    if own := [name for name in ("my_method", "centre_loss") if name == parameters["methods"]]:
        parameters["methods"] = parameters["methods"].replace(own[0], "vanilla")
    if "label_smoothing" in (parameters["methods"] or "") or parameters["plugins"]:
        return
    write_files()
    expand(resolve_arguments(parameters, program="run_bench.py").settings)


def write_files():
    """The files that pages call by name, in the present folder."""
    days = [f"2024-{1 + place % 12:02}-{1 + place // 12:02}" for place in range(len(MOLECULES))]
    sets = [("train", "train", "train", "valid", "test")[place % 5] for place in range(90)]
    lines = [
        f"{smiles},{label},{part},{day}"
        for (smiles, label), part, day in zip(MOLECULES, sets, days, strict=True)
    ]
    files = {
        "my.csv": ["smiles,class,set,date", *lines],
        "new.csv": ["smiles", "CCCO", "CCc1ccccc1", "no molecule"],
        "ic50.csv": ["smiles,ic50", *(f"{s},{10 * n}" for n, (s, _) in enumerate(MOLECULES, 71))],
        "tox21.csv": [
            "smiles,NR-AR,SR-p53",
            *(f"{s},{int(c == 'ring')},{int(c == 'amine')}" for s, c in MOLECULES),
        ],
    }
    for name, content in files.items():
        with open(name, "w", encoding="utf-8") as file:
            file.write("\n".join(content) + "\n")


@pytest.mark.parametrize(
    "block", [pytest.param(one, id=f"{one.page}:{one.line}") for one in blocks("python")]
)
def test_each_example_is_python(block):
    compile(block.text, f"{block.page}:{block.line}", "exec")


def test_each_block_says_what_it_is():
    known = {"bash", "python", "text"}
    assert [f"{b.page}:{b.line}" for b in blocks() if b.language not in known] == []


def test_each_reason_not_to_run_a_command_is_needed():
    texts = [" ".join(words) for one in COMMANDS for words in [one.values[1]]]
    prose = "".join((ROOT / page).read_text() for page in ("CONTRIBUTING.md", "README.md"))
    unused = [start for start in NOT_RUN if not any(text.startswith(start) for text in texts)]
    assert [start for start in unused if start not in prose] == []


def test_each_page_is_in_the_menu():
    menu = str(navigation())
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert [name for name in sorted(pages) if name not in menu] == []


# ---------------------------------------------------------------- all of them, for real


def tiny(words):
    """A benchmark of a file is short, one of a data set is not run; the rest stays as it is."""
    arguments = arguments_of(words)
    if "--list" in arguments or "--help" in arguments or parsed(arguments)[1] is not None:
        return words
    if "--data" not in arguments:
        return None  # its settings are resolved above
    short = [] if "--epochs" in arguments else ["--epochs", "1"]
    return [*words, *short, "--set", "training.batch_size=16"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what a newcomer has, with small files of data."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("bench", "methods", "datasets"):
        shutil.copytree(
            ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copytree(ROOT / "results" / "reference", folder / "results" / "reference")
    for name in ("run_bench.py", "METHODS.md", "README.md"):
        shutil.copy(ROOT / name, folder)
    before = os.getcwd()
    os.chdir(folder)
    try:
        write_files()
    finally:
        os.chdir(before)
    return folder


@pytest.mark.slow
def test_every_command_and_every_example_does_what_its_page_says(checkout):
    environment = {
        **os.environ, "LTDD_CACHE_DIR": str(checkout / "cache"), "MPLBACKEND": "agg",
        "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    failed, done_before = [], set()
    for block in blocks():
        for label, command, expected in steps(block, checkout, done_before):
            began = time.monotonic()
            done = subprocess.run(
                command, cwd=checkout, env=environment, capture_output=True, text=True
            )
            print(
                f"{time.monotonic() - began:6.1f} s  {block.page}:{block.line} {label}", flush=True
            )
            if done.returncode != expected:
                failed.append(f"{block.page}:{block.line} {label}\n{done.stdout}{done.stderr}")
    assert not failed, "\n\n".join(failed)


def steps(block, checkout, done_before):
    """What is to be run of a block: what it is called, the command, its exit code."""
    if block.language == "python":
        yield from steps_of_example(block, checkout)
    elif block.language == "bash":
        for words in block.commands():
            text = " ".join(words)
            if arguments_of(words) is None or is_not_run(text):
                assert is_not_run(text), f"{text}: say why it is not run"
                continue
            if (short := tiny(words)) is None or text in done_before:
                continue
            done_before.add(text)
            # The newest run: pages show runs of the benchmark before.
            runs = sorted(
                (checkout / "results" / "runs").glob("*"), key=lambda path: path.stat().st_mtime
            )
            newest = runs[-1].name if runs else "none"
            tail = [word.replace("JOB_ID", newest) for word in short]
            start = [sys.executable, "-W", "ignore", "run_bench.py"]
            yield text, [*start, *arguments_of(tail)], FAILS.get(text, 0)


def is_not_run(text):
    return any(text.startswith(start) for start in NOT_RUN)


def steps_of_example(block, checkout):
    """A plug-in is saved where its page says; another example is run."""
    if "@register_" not in block.text:
        path = checkout / f"example_{block.line}.py"
        # Runs are processes that import the file that started them.
        path.write_text(block.text)
        yield "example", [sys.executable, "-W", "ignore", "-c", block.text], 0
        return
    kind, name = block.text.split("@register_")[1].split('"')[:2]
    kind = kind.partition("(")[0]
    place = {"method": "methods", "dataset": "datasets", "split": "bench/data/splits"}.get(kind)
    if place is not None:
        (checkout / place / f"{name}.py").write_text(block.text)
        listed = [sys.executable, "-W", "ignore", "run_bench.py", "--list", name]
        yield f"--list {name}", listed, 0
