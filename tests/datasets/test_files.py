"""Tables of the user's in files of several kinds: what they hold, and what is refused."""

import gzip
import zipfile

import pytest

from bench.datasets import _table
from bench.datasets._files import MOLECULE, read_file
from bench.errors import DataError

# L-alanine by its hashed bond (from the front N, COOH, CH3 go round clockwise, and H is on this
# side, so it is S), its mirror image by a wedge, and (E)-2-butene by its coordinates.
ALANINE = """
     RDKit          2D

  6  5  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.2990    0.7500    0.0000 C   0  0
    1.2990    2.2500    0.0000 N   0  0
    2.5981    0.0000    0.0000 C   0  0
    3.8971    0.7500    0.0000 O   0  0
    2.5981   -1.5000    0.0000 O   0  0
  2  1  1  6
  2  3  1  0
  2  4  1  0
  4  5  2  0
  4  6  1  0
M  END
"""
MIRRORED = ALANINE.replace("  2  1  1  6\n", "  2  1  1  1\n")
BUTENE = """
     RDKit          2D

  4  3  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.2990    0.7500    0.0000 C   0  0
    2.5981    0.0000    0.0000 C   0  0
    3.8971    0.7500    0.0000 C   0  0
  1  2  1  0
  2  3  2  0
  3  4  1  0
M  END
"""
# Five bonds at carbon.
PENTAVALENT = BUTENE.replace("  1  2  1  0\n", "  1  2  3  0\n")


def record(block, **properties):
    return (
        block + "".join(f"> <{name}>\n{value}\n\n" for name, value in properties.items()) + "$$$$\n"
    )


SDF = record(ALANINE, y="a", note="one\ntwo") + record(BUTENE, y="b") + record(MIRRORED, note="x")


@pytest.fixture
def file(tmp_path):
    """Writes a file and gives its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def packed(tmp_path):
    """Writes a zip archive of files by name and gives its path."""

    def write(members):
        path = tmp_path / "my.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return path

    return write


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_records_of_an_sdf_file_are_rows_with_stereo_and_properties(file, line_end):
    table = read_file(file("my.sdf", SDF.replace("\n", line_end)))
    assert table.columns[MOLECULE] == ["C[C@H](N)C(=O)O", "C/C=C/C", "C[C@@H](N)C(=O)O"]
    assert table.columns["y"] == ["a", "b", ""]
    assert [text.splitlines() for text in table.columns["note"]] == [["one", "two"], [], ["x"]]
    assert not table.bad


def test_a_property_of_the_molecules_name_keeps_its_values(file):
    table = read_file(file("my.sdf", record(ALANINE, molecule="L-Ala")))
    assert table.columns == {MOLECULE: ["C[C@H](N)C(=O)O"], "molecule (property)": ["L-Ala"]}


def test_records_that_cannot_be_read_are_bad_rows_with_their_reason(file, capfd):
    no_end = ALANINE.replace("M  END\n", "")
    empty = "\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n"
    text = record(ALANINE, y=1) + "".join(
        record(block, y=0) for block in (PENTAVALENT, no_end, empty, "\n", BUTENE)
    )
    table = read_file(file("my.sdf", text))
    assert len(table) == 6
    assert sorted(table.bad) == [1, 2, 3, 4]
    assert "valence for atom # 1 C, 5" in table.bad[1]
    assert "RDKit cannot read the record" in table.bad[2]
    assert table.bad[3] == "the record has no atoms"
    assert table.columns["y"] == ["1", "", "", "", "", "0"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "at least one record in .*, but got an empty file"),
        (" \n\n", "empty file"),
        (SDF[:-5], "record 2, counted from 0, is the last and does not: the file is cut short"),
        (SDF[:200], "record 0, counted from 0"),
        (b"\xff" + SDF.encode(), "UTF-8"),
    ],
)
def test_an_sdf_file_that_is_none_is_refused(file, content, message):
    with pytest.raises(DataError, match=message):
        read_file(file("my.sdf", content))


def test_packed_files_are_read_as_they_are(file, packed):
    plain = read_file(file("my.sdf", SDF)).columns
    assert read_file(file("my.SDF.gz", gzip.compress(SDF.encode()))).columns == plain
    assert read_file(packed({"a/": "", "a/my.sdf": SDF, "__MACOSX/._my.sdf": ""})).columns == plain
    assert read_file(packed({"my.csv": "a;b\n1;2\n"})).columns == {"a": ["1"], "b": ["2"]}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.csv": "a\n1\n", "b.csv": "a\n1\n"}, r"got 'a\.csv', 'b\.csv'\. Unpack it"),
        ({}, "got nothing"),
        ({"a.txt": "a"}, r"got 'a\.txt'"),
        ({"a.csv.gz": gzip.compress(b"a\n1\n")}, r"got 'a\.csv\.gz'"),
        ({"a.zip": b""}, r"got 'a\.zip'"),
    ],
)
def test_an_archive_without_exactly_one_table_is_refused(packed, members, message):
    with pytest.raises(DataError, match=message):
        read_file(packed(members))


def test_an_archive_that_cannot_be_unpacked_is_refused(file, packed, monkeypatch):
    path = packed({"a.csv": "a,b\n" + "1,2\n" * 50_000})
    data = bytearray(path.read_bytes())
    with pytest.raises(DataError, match="whole zip archive"):
        read_file(file("cut.zip", bytes(data[:-30])))
    with pytest.raises(DataError, match="whole zip archive"):
        read_file(file("none.zip", b"a,b\n1,2\n"))
    monkeypatch.setattr(_table, "LARGEST_BYTES", 100_000)
    with pytest.raises(DataError, match=r"100,000 bytes in .*my\.zip once unpacked"):
        read_file(path)
    # It says it is small and is not.
    data[:] = data.replace((200_004).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    with pytest.raises(DataError, match=r"liar\.zip"):
        read_file(file("liar.zip", bytes(data)))
    data[6] |= 1  # the flag of the local header, and that of the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match=r"without a password, but .*locked\.zip is encrypted"):
        read_file(file("locked.zip", bytes(data)))


def test_other_kinds_and_options_of_another_kind_are_refused(file):
    with pytest.raises(
        DataError, match=r"\.sdf, \.parquet, \.xlsx, with or without .* got .*my\.doc"
    ):
        read_file(file("my.doc", ""))
    with pytest.raises(DataError, match="Excel file, as the sheet 'S' is named"):
        read_file(file("my.csv", "a\n1\n"), sheet="S")
    with pytest.raises(DataError, match="delimited text, as the delimiter 'tab' is named"):
        read_file(file("my.sdf", SDF), delimiter="tab")


def test_a_file_whose_package_is_absent_names_the_command(file, monkeypatch):
    import sys

    from bench.errors import UnavailableError

    for name, package in (("my.parquet", "pyarrow"), ("my.xlsx", "openpyxl")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UnavailableError, match=rf"pip install {package}, or .*'\.\[files\]'"):
            read_file(file(name, b""))
