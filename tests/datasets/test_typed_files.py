"""Parquet and Excel files: their values are the texts of a CSV file of the same table."""

import datetime
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from bench.datasets import _table
from bench.datasets._files import read_file
from bench.datasets._table import NUL_SIGN
from bench.datasets.csv_file import CsvFile, CsvOptions
from bench.errors import DataError

FRAME = pd.DataFrame(
    {
        "smiles": ["CCO", None, "C"],
        "whole": [1, 0, 1],
        "missing": [1.0, np.nan, 0.0],
        "part": [0.25, 1e-7, 2.0],
        "truth": [True, False, True],
        "day": pd.to_datetime(["2020-01-31", None, "2021-12-01"]),
        "time": pd.to_datetime(["2020-01-31 08:30:00"] * 3),
        "date": [datetime.date(2020, 1, 31)] * 3,
    }
)
TEXTS = {
    "smiles": ["CCO", "", "C"],
    "whole": ["1", "0", "1"],
    "missing": ["1", "", "0"],
    "part": ["0.25", "1e-07", "2"],
    "truth": ["True", "False", "True"],
    "day": ["2020-01-31", "", "2021-12-01"],
    "time": ["2020-01-31 08:30:00"] * 3,
    "date": ["2020-01-31"] * 3,
}


@pytest.fixture
def parquet(tmp_path):
    """Writes a frame as Parquet and gives the path."""
    pytest.importorskip("pyarrow")

    def write(frame=FRAME):
        path = tmp_path / "my.parquet"
        frame.to_parquet(path, engine="pyarrow")
        return path

    return write


@pytest.fixture
def excel(tmp_path):
    """Writes frames as sheets by name and gives the path."""
    pytest.importorskip("openpyxl")

    def write(**sheets):
        path = tmp_path / "my.xlsx"
        with pd.ExcelWriter(path) as book:
            for name, frame in sheets.items():
                frame.to_excel(book, sheet_name=name, index=False)
        return path

    return write


def test_a_parquet_file_holds_the_texts_of_a_csv_file(parquet):
    assert read_file(parquet()).columns == TEXTS


def test_an_excel_file_holds_the_texts_of_a_csv_file(excel):
    assert read_file(excel(first=FRAME, other=FRAME[["whole"]])).columns == TEXTS
    other = read_file(excel(first=FRAME, other=FRAME[["whole"]]), sheet="other")
    assert other.columns == {"whole": TEXTS["whole"]}


def test_categories_bytes_and_nul_are_text(parquet):
    frame = pd.DataFrame({"a": pd.Categorical(["x", None]), "b": [b"CC", b"\xff"], "c": ["\0", ""]})
    found = read_file(parquet(frame)).columns
    assert found == {"a": ["x", ""], "b": ["CC", r"\xff"], "c": [NUL_SIGN, ""]}


@pytest.mark.parametrize("width", ["float16", "float32"])
def test_narrow_numbers_of_a_parquet_file_are_those_that_were_written(parquet, width):
    # As 64 bits, 0.7 of 32 bits is just below 0.7 and 6.3 just above: the cut would misplace both.
    frame = pd.DataFrame({"smiles": ["C", "CC", "CCC"], "y": np.array([0.7, 6.3, np.nan], width)})
    path = parquet(frame)
    assert read_file(path).columns["y"] == ["0.7", "6.3", ""]
    for cut, expected in (("0.7", ["<=0.7", ">0.7"]), ("<6.3", ["<6.3", ">=6.3"])):
        options = CsvOptions(
            path=str(path), smiles_columns=("smiles",), label_column="y", label_cut=cut
        )
        samples = CsvFile(options).read(path)
        assert samples.labels.tolist() == [0, 1, -1]
        assert list(samples.class_names) == expected


def test_errors_of_an_excel_file_are_missing_values_and_no_class(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for cells in (["smiles", "y"], ["C", "#N/A"], ["CC", 1], ["CCC", "#DIV/0!"], ["O", "n/a"]):
        book.active.append(cells)
    book.save(tmp_path / "my.xlsx")
    assert read_file(tmp_path / "my.xlsx").columns["y"] == ["", "1", "", "n/a"]


def test_nested_columns_are_passed_over_unless_they_are_asked_for(parquet):
    path = parquet(FRAME.assign(bits=[[1, 2]] * 3))
    assert read_file(path).columns == TEXTS
    with pytest.raises(DataError, match=r"column 'bits' of .*my\.parquet, but it is nested: list"):
        read_file(path, expected=["smiles", "bits"])


@pytest.mark.parametrize("kind", ["parquet", "excel"])
def test_the_samples_are_those_of_the_csv_file(kind, request, tmp_path):
    frame = pd.DataFrame({"smiles": ["C", "CC", "CCC", "O"], "y": [1.0, 0.0, np.nan, 1.0]})
    frame.to_csv(tmp_path / "my.csv", index=False)
    write = request.getfixturevalue(kind)
    path = write(frame) if kind == "parquet" else write(first=frame)
    hashes = set()
    for one in (path, tmp_path / "my.csv"):
        options = CsvOptions(path=str(one), smiles_columns=("smiles",), label_column="y")
        samples = CsvFile(options).read(one)
        assert samples.class_names == ("0", "1")
        assert samples.labels.tolist() == [1, 0, -1, 1]
        hashes.add(samples.content_sha256())
    assert len(hashes) == 1


def test_parquet_and_excel_files_that_cannot_be_used_are_refused(
    parquet, excel, tmp_path, monkeypatch
):
    def refused(path, message, content=None, **options):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_file(path, **options)

    book = excel(first=FRAME)
    refused(book, "sheet 'none' in .*, but got 'first'. Name one of these", sheet="none")
    whole, table = book.read_bytes(), parquet().read_bytes()
    refused(tmp_path / "cut.xlsx", r"whole Excel file \(\.xlsx\) without a password", whole[:-99])
    refused(tmp_path / "cut.parquet", "whole Parquet file", table[:-99])
    refused(tmp_path / "text.parquet", "whole Parquet file", b"a,b\n1,2\n")
    with zipfile.ZipFile(tmp_path / "other.xlsx", "w") as archive:
        archive.writestr("a.txt", "a")
    refused(tmp_path / "other.xlsx", "whole Excel file")
    refused(excel(first=FRAME[:0]), "only a header")
    refused(excel(first=pd.DataFrame()), "an empty file")
    refused(parquet(FRAME[:0]), "only a header")
    monkeypatch.setattr(_table, "LARGEST_BYTES", 100)
    refused(tmp_path / "big.xlsx", "100 bytes in .* once unpacked", whole)
    refused(tmp_path / "big.parquet", "100 bytes in .* once unpacked", table)


def test_a_value_beside_the_columns_is_refused_and_blank_rows_at_the_end_are_none(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["smiles", "y", None], ["C", 1, None], [None, None], ["CC", 0], [None]):
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    (tmp_path / "my.xlsx").write_bytes(stream.getvalue())
    assert read_file(tmp_path / "my.xlsx").columns == {
        "smiles": ["C", "", "CC"],
        "y": ["1", "", "0"],
    }
    book.active["D3"] = "beside"
    stream = io.BytesIO()
    book.save(stream)
    (tmp_path / "my.xlsx").write_bytes(stream.getvalue())
    with pytest.raises(DataError, match=r"in the 2 columns of .* row 1, counted from 0 below"):
        read_file(tmp_path / "my.xlsx")
