from __future__ import annotations

import csv

import numpy as np
import pytest

from bench.datasets._files import read_file
from bench.datasets.hiv import Hiv
from bench.errors import DataError
from tests.real_data import real_file


def write(path, header, rows, delimiter=","):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


@pytest.fixture
def rows():
    table = read_file(real_file("hiv.csv.gz"))
    return list(
        zip(table.column("smiles"), table.column("activity"), table.column("label"), strict=True)
    )


def test_the_real_file_is_read():
    samples = Hiv().read(real_file("hiv.csv.gz"))
    assert np.bincount(samples.labels).tolist() == [39_684, 1_443]
    assert samples.class_names == ("inactive", "active")
    assert [entity.kind for entity in samples.entities] == ["molecule"]
    assert samples.entities[0].values[0] == "CCC1=[O+][Cu-3]2([O+]=C(CC)C1)[O+]=C(CC)CC(CC)=[O+]2"


def test_all_three_forms_give_the_same_samples(rows, tmp_path):
    reference = Hiv().read(real_file("hiv.csv.gz"))
    forms = [
        write(tmp_path / "HIV.csv", ("smiles", "activity", "HIV_active"), rows),
        write(
            tmp_path / "hiv.tab",
            ("ID", "X", "Y"),
            [(i, r[0], r[2]) for i, r in enumerate(rows)],
            "\t",
        ),
    ]
    for path in forms:
        samples = Hiv().read(path)
        assert samples.entities == reference.entities
        assert np.array_equal(samples.labels, reference.labels)


def test_imdrugs_other_column_names_and_float_labels_are_read(rows, tmp_path):
    flipped = [(row[0], f"{row[2]}.0", i) for i, row in enumerate(rows[::-1])]
    path = write(tmp_path / "hiv.tab", ("Drug", "Y", "Drug_ID"), flipped, "\t")
    samples = Hiv().read(path)
    assert samples.labels.sum() == 1_443
    assert "other than MoleculeNet's" in samples.notes[0]


def test_a_row_too_few_and_two_rows_exchanged_are_refused(rows, tmp_path):
    header = ("smiles", "activity", "HIV_active")
    with pytest.raises(DataError, match=r"41,127 rows .*but got 41,126 rows"):
        Hiv().read(write(tmp_path / "HIV.csv", header, rows[:-1]))
    rows[0], rows[1] = rows[1], rows[0]
    with pytest.raises(DataError, match="row for row"):
        Hiv().read(write(tmp_path / "HIV.csv", header, rows))


def test_a_file_of_other_columns_is_refused(tmp_path):
    path = write(tmp_path / "HIV.csv", ("mol", "y"), [("C", 0)])
    with pytest.raises(DataError, match="columns 'mol', 'y'"):
        Hiv().read(path)
