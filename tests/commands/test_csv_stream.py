"""Tables read and written row by row: every text comes out as it went in."""

import csv
import gzip
import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.commands.csv_stream import (
    Dialect,
    TableWriter,
    count_rows,
    dialect_for,
    open_table,
    open_target,
)
from bench.errors import DataError, StoreError, UsageError

BOM = "\ufeff".encode()
ODD = ["Ä; “x”", 'a "quoted" word', "two\nlines", "two\r\nlines", "lone\rreturn", "", " ", "日本"]


def read(path, **options):
    with open_table(str(path), **options) as table:
        return table.header, list(table.rows), table.dialect


def written(rows, dialect):
    file = io.BytesIO()
    TableWriter(file, dialect).write(rows)
    return file.getvalue()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(
    st.lists(st.lists(texts, min_size=3, max_size=3), max_size=5),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_texts_come_out_as_they_went_in(rows, delimiter, line_end):
    data = written([["a", "b", "c"], *rows], Dialect(delimiter, line_end))
    lines = io.StringIO(data.decode(), newline="")
    assert list(csv.reader(lines, delimiter=delimiter))[1:] == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_table_is_read_whatever_its_form(tmp_path, delimiter, line_end, mark, packed):
    dialect = Dialect(delimiter, line_end, mark)
    rows = [[text, "x", str(place)] for place, text in enumerate(ODD)]
    data = written([["note", "b c", "n"], *rows], dialect)
    # The suffix does not matter, the content does.
    path = tmp_path / "table.txt"
    path.write_bytes(gzip.compress(data) if packed else data)
    assert read(path) == (["note", "b c", "n"], rows, dialect)


def test_delimiter_is_that_of_the_expected_columns_or_the_one_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b;smiles\n1,2;C\n")
    assert read(path, expected=["smiles"])[0] == ["a,b", "smiles"]
    assert read(path, delimiter="comma")[0] == ["a", "b;smiles"]
    assert read(path, delimiter=";")[0] == ["a,b", "smiles"]
    with pytest.raises(UsageError, match="comma, semicolon, tab, pipe"):
        read(path, delimiter="x")


def test_sheet_of_an_excel_file_is_the_one_named(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["note"])
    book.active.append(["empty"])
    book.create_sheet("new").append(["smiles"])
    book["new"].append(["CCO"])
    path = tmp_path / "table.xlsx"
    book.save(path)
    assert read(path)[:2] == (["note"], [["empty"]])
    assert read(path, sheet="new")[:2] == (["smiles"], [["CCO"]])
    assert count_rows(str(path), sheet="new") == 1
    with pytest.raises(DataError, match="'Sheet', 'new'"):
        read(path, sheet="old")


def test_blank_lines_are_no_rows_but_rows_of_blanks_are(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\n \nsmiles,name\n\nC,a\n,\n\nCC,b\n\n")
    assert read(path)[1] == [["C", "a"], ["", ""], ["CC", "b"]]
    assert count_rows(str(path), delimiter=None, expected=()) == 3
    # As pandas writes and reads a missing value of a single column.
    path.write_text('\n""\nsmiles\nC\n""\n\nCC\n   \n')
    assert read(path)[1] == [["C"], [""], ["CC"], ["   "]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (BOM + b"\n \n", "an empty file"),
        (b"smiles,name\nC\n", "line 2 has 1"),
        (b"smiles,name\nC,a,b\n", "line 2 has 3"),
        (b'smiles,name\n"C,a\n', "unclosed quote"),
        (b"smiles,na\xefme\n", "0xef"),
        (b"smiles\n" + b"C\n" * 10_000 + b"\xe9\n", "0xe9"),
        (gzip.compress(b"smiles\n" + os.urandom(999).hex().encode())[:-300], "cut short"),
        (b"\x1f\x8bno gzip", "gzip"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path, data, message):
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read(path)


def test_absent_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read(tmp_path / "none.csv")


def test_file_is_written_whole_or_left_as_it_was(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), open_target(str(path)) as file:
        file.write(b"half" * (1 // 0))
    assert path.read_text() == "old"
    with open_target(str(path)) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_link_stays_and_its_end_is_replaced(tmp_path):
    end, link = tmp_path / "end.csv", tmp_path / "link.csv"
    end.write_text("old")
    link.symlink_to(end)
    with open_target(str(link)) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert end.read_text() == "new"


def test_pipe_is_written_to_and_stays_one(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open_target(str(path)) as file:
        file.write(b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert path.is_fifo()


def test_folder_and_absent_folder_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "out.csv"):
        with pytest.raises(StoreError, match=r"folder|No such"), open_target(str(path)):
            pass


def test_gz_is_packed(tmp_path):
    path = tmp_path / "out.csv.gz"
    with open_target(str(path)) as file:
        TableWriter(file, Dialect(",")).write([["a", "b"]])
    assert gzip.decompress(path.read_bytes()) == b"a,b\n"


@pytest.mark.parametrize(
    ("target", "delimiter", "expected"),
    [
        ("p.csv", ";", ";"),
        ("p.csv", "\t", ","),
        ("p.tsv", ",", "\t"),
        ("p.tab.gz", ";", "\t"),
        ("-", "\t", "\t"),
    ],
)
def test_tabs_go_with_their_suffix(target, delimiter, expected):
    dialect = dialect_for(target, Dialect(delimiter, "\r\n", True))
    assert dialect == Dialect(expected, "\r\n", True)


def test_standard_input_stays_open(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"smiles\nC\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert count_rows("-", delimiter=None, expected=()) is None
    assert read("-")[:2] == (["smiles"], [["C"]])
    assert not stdin.buffer.closed
