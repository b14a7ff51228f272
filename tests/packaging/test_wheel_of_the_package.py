"""The package as people install it, tried outside the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_CODE = {".py", ".typed", ".yaml", ".txt", ".html", ".css", ".js", ".csv"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # What an earlier build left there goes into the wheel, files that are gone since too.
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    pip("wheel", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--target", folder, wheel)
    return folder


def pip(command, *arguments):
    words = [sys.executable, "-m", "pip", command, "--no-deps", "--quiet", *map(str, arguments)]
    subprocess.run(words, check=True, capture_output=True, text=True)


def python(cwd, *arguments, path=(), **variables):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, path)), **variables}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def files(*folders):
    return {
        path.relative_to(folder.parent).as_posix()
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in _CODE and path.is_file()
    }


def test_the_wheel_holds_all_files_of_the_package_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    plugins = {f"bench/{name}" for name in files(ROOT / "methods", ROOT / "datasets")}
    own = {name for name in files(ROOT / "bench") if not name.startswith("bench/perf/")}
    own -= {name for name in own if name.startswith(("bench/methods/", "bench/datasets/"))}
    assert {name for name in names if ".dist-info/" not in name} == own | plugins


def test_an_installed_package_finds_its_plug_ins_presets_and_data(installed, tmp_path):
    code, out, error = python(tmp_path, "-m", "bench.cli", "--list", path=[installed])
    assert (code, error) == (0, "")
    for word in ("balanced_softmax", "chembl_target", "scaffold", "gcn", "paper", "imdrug"):
        assert word in out
    code, out, _ = python(
        tmp_path,
        "-c",
        "from bench.report.model.published import published; print(len(published().figures))",
        path=[installed],
    )
    assert code == 0
    assert int(out) > 100
    code, out, _ = python(tmp_path, "-m", "bench.cli", "--help", path=[installed])
    assert code == 0
    assert "  ltdd-bench --preset paper --dry-run" in out
    assert "run_bench.py" not in out.partition("Options:")[0].partition("Examples:")[2]


def test_an_installed_package_keeps_out_of_where_it_is(installed, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    program = (
        "from bench.data.cache import default_folder as c; "
        "from bench.data.folders import download_folders as d, search_folders as s; "
        "print(c()); print(*[f for _, f in d(None)]); print(*[f for _, f in s(None)])"
    )
    variables = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "LTDD_CACHE_DIR": ""}
    code, out, _ = python(tmp_path, "-c", program, path=[installed], **variables)
    assert code == 0
    cache, download, search = out.splitlines()
    assert Path(cache).is_relative_to(home)
    assert download == f"{cache}/data"
    assert search == f"data {cache}/data"


def test_the_state_of_a_repository_around_an_installed_package_is_not_ours(installed, tmp_path):
    program = "from bench.sweep.provenance import provenance; print(provenance()['code'])"
    code, out, _ = python(ROOT / "tests", "-c", program, path=[installed])
    assert (code, out) == (0, "{'commit': None, 'dirty': None}\n")


@pytest.mark.parametrize("folder", [ROOT, ROOT / "tests"])
@pytest.mark.parametrize("name", ["datasets", "methods"])
def test_packages_of_the_names_of_our_folders_are_found(name, folder, tmp_path):
    """Such as ``datasets`` of Hugging Face; a folder without ``__init__.py`` hides none."""
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text("ORIGIN = 'elsewhere'\n")
    program = f"import {name}, bench.{name}; print({name}.ORIGIN)"
    path = [tmp_path] if folder == ROOT else [ROOT, tmp_path]
    code, out, _ = python(folder, "-c", program, path=path)
    assert (code, out) == (0, "elsewhere\n")


def test_without_such_a_package_a_checkout_offers_none(tmp_path):
    code, out, _ = python(ROOT, "-c", "import datasets; print(hasattr(datasets, 'Dataset'))")
    assert (code, out) == (0, "False\n")
