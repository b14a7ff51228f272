"""Files of the user's with methods, wherever they are, in this process and in those of runs."""

import csv as csv_module
import os
import shlex
import subprocess
import sys

import pytest

from bench.errors import UsageError
from bench.method import METHODS
from bench.plugin_files import VARIABLE, add_plugin_files, import_file, plugin_files

METHOD = '''
from beside_{name} import TITLE

from bench.method import Method, register_method


@register_method("{name}", title=TITLE, group="extension", reference="This test, 2026.")
class Mine(Method):
    """Cross-entropy, as it is."""
'''


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    """Nothing that a file registers outlasts the test."""
    METHODS.discover()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    monkeypatch.setattr(METHODS, "_unavailable", dict(METHODS._unavailable))
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.syspath_prepend("")  # the path is put back


@pytest.fixture
def write(tmp_path):
    def written(name, text=METHOD):
        (tmp_path / f"beside_{name}.py").write_text(f"TITLE = 'Mine: {name}'\n")
        path = tmp_path / f"{name}.py"
        path.write_text(text.format(name=name))
        return path

    return written


@pytest.mark.parametrize("executor", ["in-process", "local"])
def test_a_file_is_a_row_whose_record_and_command_name_it(
    bench, toy_arguments, write, tmp_path, executor
):
    path = write(f"own_{executor.replace('-', '_')}")
    arguments = ("--methods", f"vanilla,{path.stem}", "--executor", executor)
    code, out, _ = bench("--plugin", path, *toy_arguments(*arguments))
    assert code == 0
    assert f"Mine: {path.stem}" in out
    with (tmp_path / "results" / "runs.csv").open() as file:
        [row] = [row for row in csv_module.DictReader(file) if row["method"] == path.stem]
    words = shlex.split(row["command"])
    assert words[words.index("--plugin") + 1] == str(path)
    code, out, _ = bench("--plugin", path, *toy_arguments(*arguments, "--dry-run"))
    assert "2 done, 0 to do" in out
    # A helper beside it is code behind the figures, too.
    (tmp_path / f"beside_{path.stem}.py").write_text("TITLE = 'Mine: other'\n")
    arguments = ["run_bench.py", "--plugin", path, *toy_arguments(*arguments, "--dry-run")]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    assert f"beside_{path.stem}.py has changed since 1 of these runs" in done.stdout


def test_a_broken_file_is_listed_and_stops_nothing(bench, toy_arguments, write):
    path = write("own_broken", "1 / 0\n")
    code, _, err = bench("--plugin", path, *toy_arguments("--methods", "vanilla"))
    assert code == 0
    assert "The method own_broken is left out" in err
    assert "ZeroDivisionError" in err


@pytest.mark.parametrize("name", ["csv", "bench", "sys"])
def test_a_file_of_the_name_of_another_module_is_refused(bench, tmp_path, name):
    path = tmp_path / f"{name}.py"
    path.write_text("")
    code, _, err = bench("--plugin", path, "--list")
    assert code == 2
    assert "Rename" in err
    with pytest.raises(UsageError, match="Rename"):
        import_file(path)


def test_helpers_of_one_name_in_two_folders_are_refused(tmp_path):
    """The second file would run with the helper of the first, and be dated by it."""
    for folder, rate in (("one", 1), ("two", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"own_in_{folder}.py").write_text("import own_middle\n")
        (tmp_path / folder / "own_middle.py").write_text("from own_rates import RATE\n")
        (tmp_path / folder / "own_rates.py").write_text(f"RATE = {rate}\n")
    import_file(tmp_path / "one" / "own_in_one.py")
    import_file(tmp_path / "one" / "own_in_one.py")
    with pytest.raises(UsageError, match=r"'own_(rates|middle)' is also .*one.*Rename .*two"):
        import_file(tmp_path / "two" / "own_in_two.py")


def test_a_file_beside_a_checkout_or_a_name_of_python_is_imported(tmp_path):
    (tmp_path / "bench").mkdir()
    for name in ("bench/__init__.py", "types.py"):
        (tmp_path / name).write_text("1 / 0\n")
    path = tmp_path / "own_beside.py"
    path.write_text("import types\nfrom bench.method import METHODS\n")
    import_file(path)


def test_why_a_file_is_not_there_is_said_whatever_its_method_is_called(bench, toy_arguments, write):
    path = write("own_broken", "1 / 0\n")
    code, _, err = bench("--plugin", path, *toy_arguments("--methods", "mine"))
    assert code == 2
    assert "own_broken is not imported, ZeroDivisionError: division by zero" in err


def test_files_may_be_named_after_the_first_look_up(write, monkeypatch):
    assert "own_late" not in METHODS
    monkeypatch.setenv(VARIABLE, str(write("own_late")))
    assert "own_late" in METHODS


@pytest.mark.parametrize("name", ["nowhere.py", "text.txt", "."])
def test_what_is_no_python_file_is_refused(bench, tmp_path, name):
    (tmp_path / "text.txt").write_text("")
    code, _, err = bench("--plugin", tmp_path / name, "--list")
    assert code == 2
    assert "Expected the path of a Python file" in err


def test_files_are_named_once_and_those_of_the_environment_stay(write, monkeypatch):
    first, second = write("own_first"), write("own_second")
    monkeypatch.setenv(VARIABLE, str(first))
    add_plugin_files([second, first])
    assert plugin_files() == [first.resolve(), second.resolve()]
    assert os.environ[VARIABLE] == f"{first.resolve()}{os.pathsep}{second.resolve()}"
