import hashlib
import importlib
import os
import pickle
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from bench.method import METHODS
from tests.commands.conftest import ROWS

ROOT = Path(__file__).parents[2]


@pytest.mark.fault(59)
def test_help_imports_nothing_heavy():
    """Help takes seconds because everything is imported for it."""
    code = (
        "import sys; sys.argv = ['run_bench.py', '--help']\n"
        "from bench.cli import main\n"
        "assert main() == 0\n"
        "heavy = {'torch', 'dgl', 'rdkit', 'pandas', 'sklearn', 'numpy', 'ray', 'submitit'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--methods" in done.stdout
    assert "--executor" in done.stdout
    assert "python run_bench.py --preset paper --dry-run\n" in done.stdout


def test_list_names_every_kind(bench):
    code, out, _ = bench("--list")
    assert code == 0
    for name in ("vanilla", "hiv", "standard", "gcn_dgl", "quick"):
        assert f"  {name} " in out


def test_list_of_one_kind_with_cards(bench):
    code, out, _ = bench("--list", "methods", "--long")
    assert code == 0
    assert "Reference: Cui et al." in out
    assert "Option beta = 0.9999" in out
    assert "  hiv " not in out
    # For people: no marks of Sphinx, no objects of pydantic.
    assert not re.findall(r":\w+:`|MinLen|\w+\(\w+=.*\)\)", out)


def test_list_of_a_name_shows_its_card_alone(bench):
    code, out, _ = bench("--list", "cb")
    assert code == 0
    assert "Reference: Cui et al." in out
    assert "Option beta = 0.9999" in out
    assert "Reference: " not in out.replace("Reference: Cui", "", 1)
    assert "  standard " in bench("--list", "standard")[1]
    assert "Licence: CC BY-NC 4.0: not for commercial use" in bench("--list", "drugbank_ddi")[1]


def test_list_of_what_is_not_there_offers_the_nearest(bench):
    code, _, err = bench("--list", "balanced_sofmax")
    assert code == 2
    assert "Did you mean balanced_softmax" in " ".join(err.split())
    code, _, err = bench("--list", "nothing_of_the_kind_9")
    assert code == 2
    assert "shows all names" in " ".join(err.split())


def test_print_config_shows_origins(bench):
    code, out, _ = bench("--print-config", "--epochs", 3, "--preset", "paper")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["training.epochs"].split()[1:] == ["3", "command", "line"]
    assert lines["seeds"].endswith("preset paper")
    assert lines["training.batch_size"].endswith("default")


def test_version(bench):
    code, out, _ = bench("--version")
    assert code == 0
    assert "ltdd-bench" in out


def test_report_without_a_benchmark_says_what_to_do(bench, tmp_path):
    code, _, err = bench("report", "--out", tmp_path)
    assert code == 2
    assert "Run the benchmark first" in err


@pytest.mark.fault(56)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"training: {wieght_decay: 0.1}", "did you mean weight_decay"),
        (b"trainig: {epochs: 1}", "did you mean training"),
        (b"training: {epochs: ten}", "training.epochs"),
        (b"training: {learning_rate: .nan}", "training.learning_rate"),
        (b"training: {learning_rate: -0.1}", "training.learning_rate"),
        (b"methods: []", "methods"),
        (b"seeds: [0]\nseeds: [1]", "'seeds' stands twice"),
        (b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "aliases"),
        (b"training:\n\tepochs: 3", "not valid YAML"),
        (b"\xff\xfeseeds", "UTF-8"),
        (b"seeds: !!python/object/apply:os.system ['true']", "not valid YAML"),
        (b"[" * 100_000, "nested too deeply|not valid YAML"),
    ],
    ids=["typo", "typo of group", "type", "nan", "negative", "empty list", "key twice", "bomb",
         "tab", "not UTF-8", "object", "depth"],
)  # fmt: skip
def test_a_bad_settings_file_is_one_line_and_nothing_is_started(bench, tmp_path, content, words):
    """A settings file that is not what it seems runs as something else, or ends in a traceback."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    before = snapshot(tmp_path)
    code, out, err = bench("--preset", path, "--out", tmp_path / "results")
    assert code == 2
    assert re.search(words, err)
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert snapshot(tmp_path) == before


@pytest.mark.fault(57)
def test_an_unknown_method_offers_three_names(bench, tmp_path):
    """A mistyped name ends in a traceback, or in another method."""
    code, _, err = bench("--methods", "sdr_", "--out", tmp_path / "r")
    assert code == 2
    assert "did you mean 'sdr', 'sdr_la' or 'sdr_joint'" in err
    _, _, err = bench("--methods", "nope", "--out", tmp_path / "r")
    assert all(name in err for name in METHODS.names())


@pytest.fixture
def one_broken(monkeypatch):
    """A registry of two methods, and of a third whose file cannot be imported."""
    METHODS.discover()
    entries = {name: METHODS._entries[name] for name in ("vanilla", "cb")}
    monkeypatch.setattr(METHODS, "_entries", entries)
    monkeypatch.setattr(METHODS, "_unavailable", {"broken": "SyntaxError: invalid syntax"})


@pytest.mark.fault(57)
def test_one_broken_plug_in_is_listed_and_the_others_run(bench, toy_arguments, one_broken):
    """One broken plug-in stops all, or is gone without trace."""
    code, out, err = bench(*toy_arguments("--methods", "all"))
    assert code == 0
    assert "2 runs: 0 done before, 2 to do" in out
    assert "The method broken is left out" in err
    _, out, _ = bench("--list", "methods")
    assert "broken" in out
    assert "not available: SyntaxError: invalid syntax" in out
    code, _, err = bench(*toy_arguments("--methods", "broken"))
    assert code == 2
    assert "SyntaxError: invalid syntax" in err


@pytest.mark.fault(57)
def test_two_methods_of_one_name_are_named_with_both_files(bench, tmp_path, monkeypatch):
    """Of two plug-ins of one name, one replaces the other unseen."""
    METHODS.discover()
    monkeypatch.setattr(METHODS, "_unavailable", {})
    (tmp_path / "second.py").write_text(
        "from bench.method import Method, register_method\n"
        "@register_method('cb', title='CB', group='extension', reference='none')\n"
        "class Second(Method):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    METHODS._import("second", partial(importlib.import_module, "second"))
    _, out, _ = bench("--list", "methods")
    [line] = [line for line in out.splitlines() if "not available" in line]
    assert str(tmp_path / "second.py") in line
    assert str(ROOT / "methods" / "cb.py") in line
    assert METHODS.get("cb").origin == str(ROOT / "methods" / "cb.py")


@pytest.mark.fault(58)
def test_a_dry_run_writes_nothing_anywhere(toy_arguments, tmp_path):
    """A look at what would be run leaves files behind, or starts something."""
    arguments = [str(word) for word in toy_arguments("--dry-run")]
    folders = [tmp_path, *(ROOT / name for name in ("data", "results", ".cache"))]
    before = [snapshot(folder) for folder in folders]
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_bench.py"), *arguments],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "2 runs: 0 done, 2 to do" in done.stdout
    assert [snapshot(folder) for folder in folders] == before


def snapshot(folder):
    """Every path below a folder with its content."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.fault(20)
def test_a_pickle_in_place_of_any_result_is_never_loaded(bench, toy_arguments, tmp_path):
    """A results folder from elsewhere runs code when its tables are made."""
    assert bench(*toy_arguments())[0] == 0
    folder = tmp_path / "results"
    canary = tmp_path / "canary"
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert {"record.json", "predictions.safetensors", "plan.json"} <= {path.name for path in files}
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(pickle.dumps(Canary(canary)))
        for command in (("report", "--out", folder), toy_arguments()):
            code, _, err = bench(*command)
            assert code in (0, 1, 2)
            assert "Traceback" not in err
        path.write_bytes(whole)
    assert not canary.exists()


@pytest.mark.fault(21)
def test_two_files_of_one_name_never_share_a_row_or_a_folder(bench, csv, tmp_path):
    """Two data sets whose names are made plain become one."""
    specs = [
        f'csv[path="{csv(name=name)}",smiles_columns=[smiles],label_column=class]'
        for name in ("a b.csv", "a_b.csv")
    ]
    code, _, err = bench("--datasets", ",".join(specs), "--out", tmp_path / "r")
    assert code == 2
    assert "Two different data sets are called 'a_b'" in err


@pytest.mark.fault(21)
@pytest.mark.parametrize("name", ["../../x", "a/b", "CON", "x" * 300, "a\nb", "..", ""])
@pytest.mark.parametrize("option", ["--methods", "--datasets", "--splits"])
def test_names_that_are_paths_are_refused(bench, tmp_path, option, name):
    """A name leads out of the results folder."""
    code, _, err = bench(option, name, "--out", tmp_path / "r")
    assert code == 2
    assert "Expected" in err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("arguments", [("data",), ("data", "hvi")])
def test_data_report_needs_a_known_name(bench, arguments):
    assert bench(*arguments)[0] == 2


def test_data_report_of_a_file_of_ones_own(bench, csv, tmp_path):
    path = csv([("CCO", "a"), ("OCC", "b"), ("CCN", "a"), ("c1ccccc1", "b")] * 2)
    spec = f'csv[path="{path}",smiles_columns=[smiles],label_column=class]'
    code, out, _ = bench("data", spec, "--markdown", "--out", tmp_path / "r")
    assert code == 0
    text = " ".join(out.split())
    assert "repeated samples │ 5" in text or "repeated samples 5" in text.replace("│ ", "")
    assert "1 in conflict" in text
    assert "rows 0, 1, 4, 5" in text
    table = (tmp_path / "r" / "table1.md").read_text()
    assert "| CSV file" in table
    assert "1.00" in table


@pytest.mark.fault(65)
def test_data_report_shows_how_near_test_is_to_training(bench, csv, tmp_path):
    """A test set of a few samples a class, or of what was trained on, is read as a hard test."""
    spec = f'csv[path="{csv(ROWS * 4)}",smiles_columns=[smiles],label_column=class]'
    code, out, _ = bench("data", spec, "--markdown", "--out", tmp_path / "r")
    assert code == 0
    assert "0.85 or more" in out
    rows = [re.split(r" *│ *", line)[1:-1] for line in out.splitlines()]
    rows = [row for row in rows if row[:1] in (["random"], ["standard"])]
    # 30, 20 and 11 molecules, each of which stands in the file four times.
    assert rows[0][1:4] == ["49", "9", "1.000"]
    assert float(rows[0][5].rstrip("%")) > 90
    assert 3 * int(rows[1][2]) == int(rows[1][1])
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        "similarity_toy.png", "similarity_toy.svg", "table1.md",
    }  # fmt: skip


def test_data_report_of_a_file_too_small_for_a_split_says_so(bench, csv, tmp_path):
    path = csv([("CCO", "a"), ("CCN", "b")])
    spec = f'csv[path="{path}",smiles_columns=[smiles],label_column=class]'
    code, out, err = bench("data", spec, "--markdown", "--out", tmp_path / "r")
    assert code == 0
    assert "0.85 or more" not in out
    assert err.count("No similarity of test to training") == 2
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["table1.md"]


def test_figures_of_data_sets_with_options_have_names_of_their_own(bench, csv, tmp_path):
    spec = f'csv[path="{csv(name="x" * 100 + ".csv")}",smiles_columns=[smiles],label_column=class]'
    assert bench("data", spec, "--markdown", "--out", tmp_path / "r")[0] == 0
    [name] = [path.name for path in (tmp_path / "r").glob("*.png")]
    assert re.fullmatch(r"similarity_csv-[0-9a-f]{8}\.png", name)


def test_a_termination_ends_the_command_as_an_interrupt_does():
    code = (
        "import sys, time, bench.cli as cli\n"
        "def work(**_):\n"
        "    print('working', flush=True)\n"
        "    time.sleep(60)\n"
        "cli.cli.main = work\n"
        "sys.exit(cli.main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "working\n"
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.startswith("Interrupted.")
