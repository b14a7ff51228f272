"""Archives are read member by member in memory, and never unpacked to disk."""

from __future__ import annotations

import gzip
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from bench.datasets import _table
from bench.datasets._files import read_file
from bench.datasets._moleculeace import read_activity_sets
from bench.errors import DataError

pytestmark = pytest.mark.fault(19)

FOLDER = "MoleculeACE/Data/benchmark_data"
GOOD = f"{FOLDER}/CHEMBL9_Ki.csv"
TABLE = b"smiles,y\nCC,-1.0\n"


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../CHEMBL1_Ki.csv", stat.S_IFREG),
        (f"{FOLDER}/../../../../CHEMBL1_Ki.csv", stat.S_IFREG),
        (f"/tmp/{GOOD}", stat.S_IFREG),
        (f"{FOLDER}-evil/CHEMBL1_Ki.csv", stat.S_IFREG),
        (f"{FOLDER}/link", stat.S_IFLNK),
        (f"{FOLDER}/device", stat.S_IFCHR),
    ],
    ids=["parent", "parent below", "absolute", "prefix twin", "link", "device"],
)
def test_a_member_that_leads_elsewhere_is_neither_read_nor_written(tmp_path, name, kind):
    """An archive writes a file outside the folder it is unpacked to."""
    path = tmp_path / "work" / "x.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(GOOD, TABLE)
        member = zipfile.ZipInfo(name)
        member.external_attr = (kind | 0o777) << 16
        wheel.writestr(member, "/etc/passwd")
    before = everything(tmp_path)
    [only] = read_activity_sets(path)
    assert only.target == "CHEMBL9"
    assert everything(tmp_path) == before


def test_a_link_in_place_of_a_table_is_read_as_the_text_it_is(tmp_path):
    """A link in an archive gives away a file of the machine as data."""
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        member = zipfile.ZipInfo(GOOD)
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        wheel.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="only a header"):
        read_activity_sets(tmp_path / "x.whl")


def bomb(path: Path, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for n in range(10):
            wheel.writestr(f"{FOLDER}/CHEMBL{n}_Ki.csv", bytes(size // 10))
    return path


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path, monkeypatch):
    """A small archive fills the memory; ten members do what one may not."""
    monkeypatch.setattr(_table, "LARGEST_BYTES", 100_000)
    path = bomb(tmp_path / "x.whl", 100_010)
    with pytest.raises(DataError, match=r"100,000 bytes in .*x\.whl once unpacked"):
        read_activity_sets(path)


def test_a_zip_bomb_that_lies_about_its_size_takes_no_more_memory_than_it_says(
    tmp_path, monkeypatch
):
    """An archive says it is small and is not; of the ways to pack, by the one that all use."""
    monkeypatch.setattr(_table, "LARGEST_BYTES", 100_000)
    path = bomb(tmp_path / "x.whl", 100_000_000)
    data = path.read_bytes().replace((10_000_000).to_bytes(4, "little"), b"\x00\x01\x00\x00")
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"x\.whl"):
            read_activity_sets(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_an_encrypted_member_is_one_clear_error(tmp_path):
    """An archive with a password ends in a traceback."""
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(GOOD, TABLE)
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag of the local header, and that of the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="encrypted"):
        read_activity_sets(path)


def test_a_gzip_bomb_is_left_at_the_limit(tmp_path, monkeypatch):
    """A small file fills the memory."""
    monkeypatch.setattr(_table, "LARGEST_BYTES", 100_000)
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(bytes(1_000_000)) * 10)
    with pytest.raises(DataError, match=r"100,000 bytes in .*x\.csv\.gz once unpacked"):
        read_file(path)
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 20_000))
    assert len(read_file(path)) == 20_000


@pytest.mark.slow
def test_ten_gigabytes_in_ten_megabytes_are_refused(tmp_path):
    """A file of ten megabytes fills the memory."""
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(bytes(1 << 20)) * 10_240)
    with pytest.raises(DataError, match="once unpacked"):
        read_file(path)
