import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_help_imports_nothing_heavy():
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
