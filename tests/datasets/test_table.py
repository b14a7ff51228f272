from __future__ import annotations

import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets._files import read_file
from bench.datasets._table import NUL_SIGN, check_class_sizes, parse_table
from bench.errors import DataError

PLAIN = b"smiles,label\nC,0\nCC,1\n"
COLUMNS = {"smiles": ["C", "CC"], "label": ["0", "1"]}


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b"\n", b"\r"),
        PLAIN.rstrip(b"\n"),
        b"\n" + PLAIN.replace(b"\nCC", b"\n\n  \r\nCC") + b"\n\n",
        b'"smiles","label"\n"C","0"\n"CC","1"\n',
    ],
    ids=["plain", "bom", "crlf", "cr", "no last line end", "blank lines", "quoted"],
)
def test_one_table_in_many_dresses(data):
    assert parse_table(data, "x.csv").columns == COLUMNS


@pytest.mark.parametrize("name", ["a.csv", "a.b.CSV", "a.csv.gz", "a.tsv", "a.tab", "a.tab.gz"])
def test_the_suffix_says_how_to_read(tmp_path, name):
    data = PLAIN if "csv" in name.lower() else PLAIN.replace(b",", b"\t")
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_file(path).columns == COLUMNS


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_whatever_a_csv_writer_quotes_comes_back(rows, line_end):
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writerows([("a", "b"), *rows])
    table = parse_table(text.getvalue().encode(), "x.csv")
    assert list(zip(table.column("a"), table.column("b"), strict=True)) == rows


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_the_delimiter_is_found_in_the_header(tmp_path, name, sign):
    data = b"\xef\xbb\xbf\r\n" + PLAIN.replace(b",", sign.encode())
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_file(path).columns == COLUMNS
    assert read_file(path, expected=["label"]).columns == COLUMNS
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
    assert read_file(path, delimiter=names[sign]).columns == COLUMNS


def test_the_columns_that_are_expected_decide_which_delimiter_is_meant(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("smiles;Ki, nM;label\nC;1,5;0\nCC;2,5;1\n")
    assert read_file(path, expected=["smiles", "label"]).column("Ki, nM") == ["1,5", "2,5"]
    path.write_text("smiles,a;b;c,label\nC,x,0\n")
    assert list(read_file(path).columns) == ["smiles", "a;b;c", "label"]


def test_blank_rows_are_no_rows_unless_they_are_as_wide_as_the_table():
    table = parse_table(b"smiles,label\n,,\nC,0\n , \nCC,1\n,,,,\n \n", "x.csv")
    assert table.columns == {"smiles": ["C", " ", "CC"], "label": ["0", " ", "1"]}


def test_a_delimiter_that_does_not_fit_is_named_and_no_name_is_repeated(tmp_path):
    """The hint is what was typed, joined with what was listed."""
    path = tmp_path / "a.csv"
    path.write_bytes(PLAIN.replace(b",", b";"))
    with pytest.raises(DataError) as caught:
        read_file(path, delimiter="comma").column("smiles")
    assert "Did you mean" not in str(caught.value)
    assert "Is another delimiter meant, such as semicolon?" in str(caught.value)


def test_of_many_columns_a_few_are_listed():
    header = ",".join(f"column{n}" for n in range(300))
    table = parse_table(f"{header}\n{',' * 299}x\n".encode(), "x.csv")
    with pytest.raises(DataError, match=r"\(300 in all\)") as caught:
        table.column("smiles")
    assert len(str(caught.value)) < 500


def test_nul_becomes_a_visible_sign_and_no_row_is_lost():
    table = parse_table(b"smiles,label\nC\0C,0\nCC,1\n", "x.csv")
    assert table.column("smiles") == [f"C{NUL_SIGN}C", "CC"]


def test_text_that_is_not_utf8_names_the_byte():
    with pytest.raises(DataError, match=r"x\.csv, but byte 16 .* is 0xe9"):
        parse_table(b"smiles,label\nC,0\xe9\n", "x.csv")
    with pytest.raises(DataError, match="byte 19"):
        parse_table(b"\xef\xbb\xbfsmiles,label\nC,0\xe9\n", "x.csv")


def test_utf16_is_refused():
    with pytest.raises(DataError, match="byte 0"):
        parse_table("smiles,label\nC,0\n".encode("utf-16"), "x.csv")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"\n \n", "an empty file"),
        (b"smiles,label\n", "only a header"),
        (b"smiles,label,label\nC,0,1\n", "'label' more than once"),
        (b"smiles,label\nC,0\nC,0,1\n", "line 3 has 3"),
        (b"smiles,label\nC,0\nC\n", "line 3 has 1"),
        (b'smiles,label\nC,0\n"C,0\n', "unclosed quote"),
        (b'smiles,label\n"C"C,0\n', "line 2 cannot be read"),
        (b"smiles,label\nC," + b"1" * 200_000, "line 2 cannot be read"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_its_place(data, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_table(data, "/some/x.csv")
    assert "/some/x.csv" in str(caught.value)


@pytest.mark.parametrize("cut", [0, 5, 15, 30, -4])
def test_a_gzip_file_cut_short_is_refused(tmp_path, cut):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(PLAIN * 20)[:cut])
    with pytest.raises(DataError, match=r"x\.csv\.gz"):
        read_file(path)


def test_plain_text_under_a_gzip_name_and_a_missing_file_are_refused(tmp_path):
    (tmp_path / "x.csv.gz").write_bytes(PLAIN)
    with pytest.raises(DataError, match="whole gzip file"):
        read_file(tmp_path / "x.csv.gz")
    with pytest.raises(DataError, match="Expected to read"):
        read_file(tmp_path / "y.csv")


def test_a_missing_column_lists_those_found_and_the_nearest():
    table = parse_table(b"SMILES,Activity\nC,0\n", "x.csv")
    with pytest.raises(DataError) as caught:
        table.column("smiles")
    assert "columns 'SMILES', 'Activity'. Did you mean 'SMILES'?" in str(caught.value)


@pytest.mark.parametrize("text", ["x", "", "nan", "inf", "0.5", "1e12"])
def test_labels_that_are_no_whole_numbers_name_their_row(text):
    table = parse_table(f"label,x\n1.0,\n{text},\n".encode(), "x.csv")
    with pytest.raises(DataError, match="in row 1"):
        table.labels("label")


def test_whole_floats_are_labels():
    labels = parse_table(b"y,x\n1.0,\n0,\n1e0,\n", "x.csv").labels("label", "y")
    assert labels.tolist() == [1, 0, 1]
    assert labels.dtype == np.int64


def test_class_sizes_are_compared_class_by_class():
    labels = np.array([0, 0, 1])
    check_class_sizes(labels, {0: 2, 1: 1}, "x")
    with pytest.raises(
        DataError,
        match=r"Expected 3 rows \(label 0: 1, 1: 2\) in x, but got 3 rows \(label 0: 2, 1: 1\)",
    ):
        check_class_sizes(labels, {0: 1, 1: 2}, "x")
