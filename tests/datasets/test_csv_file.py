from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.data.obtain import obtain
from bench.dataset import DATASETS
from bench.datasets._classes import _class_names
from bench.datasets.csv_file import CsvFile, CsvOptions
from bench.errors import DataError


def make(path, **options):
    settings = {"smiles_columns": ["smiles"], "label_column": "y", **options}
    return CsvFile(CsvOptions(path=str(path), **settings))


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, **options):
        path = tmp_path / "my.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return make(path, **options).read(path)

    return write_and_read


def labels_file(*labels):
    return "smiles,y\n" + "".join(f'C,"{label}"\n' for label in labels)


def test_it_is_registered_as_csv():
    assert DATASETS.get("csv").cls is CsvFile


def test_the_users_path_is_the_only_place_looked_in(tmp_path, monkeypatch):
    (tmp_path / "my.csv").write_text(labels_file("a", "b"))
    monkeypatch.chdir(tmp_path)
    found = obtain(make("my.csv"), data_dir=tmp_path / "other")
    assert (found.path, found.origin) == (tmp_path / "my.csv", "given path")
    with pytest.raises(DataError, match=r"nope\.csv, but there is none"):
        obtain(make("nope.csv"), data_dir=tmp_path)


def test_several_molecules_and_a_protein(read):
    samples = read(
        "a,b,seq,y\nC,CC,MKV,x\nN,NN,ml ,y\n", smiles_columns=["a", "b"], protein_column="seq"
    )
    assert [(e.name, e.kind, list(e.values)) for e in samples.entities] == [
        ("a", "molecule", ["C", "N"]),
        ("b", "molecule", ["CC", "NN"]),
        ("seq", "protein", ["MKV", "ML"]),
    ]


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        (["1", "0", "1"], ("0", "1"), [1, 0, 1]),
        (["10", "9", "-1"], ("-1", "9", "10"), [2, 1, 0]),
        (["1.0", "0.0", "1"], ("0", "1"), [1, 0, 1]),
        (["0.5", "0.25", "1e1"], ("0.25", "0.5", "10"), [1, 0, 2]),
        (["1.10", "1.1", "1.2"], ("1.1", "1.10", "1.2"), [1, 0, 2]),
        (["1", "0.0", "1.0", "not sure"], ("0", "1", "not sure"), [1, 0, 1, 2]),
        (["10", "9", "x"], ("10", "9", "x"), [0, 1, 2]),
        (["007", "7", "8"], ("007", "7", "8"), [0, 1, 2]),
        ([" a ", "a", "b"], ("a", "b"), [0, 0, 1]),
        (
            ["9007199254740993", "9007199254740992"],
            ("9007199254740992", "9007199254740993"),
            [1, 0],
        ),
        (["True", "False"], ("False", "True"), [1, 0]),
        (["inf", "1"], ("1", "inf"), [1, 0]),
        (["ä,b", "z\nz"], ("z\nz", "ä,b"), [1, 0]),
    ],
)
def test_labels_of_any_kind_become_ordered_classes(read, labels, classes, numbers):
    """Labels 1 and 1.0 are two classes, or words are no classes."""
    samples = read(labels_file(*labels))
    assert samples.class_names == classes
    assert samples.labels.tolist() == numbers
    assert not samples.unusable


@pytest.mark.fault(29)
@pytest.mark.parametrize("label", ["", " ", "nan", "NaN", "NA", "<NA>", "N/A", "null", "#N/A"])
def test_rows_without_a_label_stay_in_the_count_and_are_listed(read, label):
    """A missing label becomes a class of its own."""
    samples = read(labels_file("1.0", label, "0.0"))
    assert samples.labels.tolist() == [1, -1, 0]
    assert samples.class_names == ("0", "1")
    assert samples.unusable == {1: f"no label ({label.strip()!r})"}
    assert samples.unlabelled == {1}


@pytest.mark.fault(22)
def test_nul_characters_make_their_rows_unusable(read):
    """A NUL character cuts a SMILES short, which is then another molecule."""
    samples = read(b"smiles,y\nC\0C,a\nC,b\nC,a\0\nC,a\n")
    assert samples.unusable == {0: "NUL character in 'smiles'", 2: "NUL character in 'label'"}
    assert samples.labels.tolist() == [-1, 1, -1, 0]
    assert len(samples.labels) == 4
    assert not samples.unlabelled


def test_blank_rows_are_no_bad_rows(read):
    samples = read("smiles,y\nC,a\n , \n,\nCC,b\n,,,\n")
    assert samples.unusable == {1: "blank row", 2: "blank row"}
    assert samples.unlabelled == {1, 2}
    assert samples.labels.tolist() == [0, -1, -1, 1]


@pytest.mark.parametrize("values", [[4 + 0.137 * n for n in range(14)], range(300, 314)])
def test_measurements_are_named_as_such_in_few_words(read, values):
    """Measurements are refused with a list of hundreds of class names."""
    with pytest.raises(DataError) as caught:
        read(labels_file(*(f"{value:g}" for value in values)))
    text = str(caught.value)
    assert "14 different numbers in 14 rows" in text
    assert "they look like measurements. Make a column of classes" in text
    assert "in column 'y'" in text
    assert len(text) < 500


def test_hundreds_of_fractions_are_measurements_though_they_repeat(read):
    with pytest.raises(DataError, match="201 different numbers in 603 rows"):
        read(labels_file(*[f"{n / 100}" for n in range(150, 351)] * 3))
    codes = [f"{one}.{two}" for one in range(1, 8) for two in range(1, 16)]
    assert len(read(labels_file(*codes * 3)).class_names) == 105


def test_sodium_is_a_class_beside_words_and_missing_among_numbers(read):
    assert read(labels_file("Na", "K", "Ca")).class_names == ("Ca", "K", "Na")
    assert read(labels_file("Na", "1", "0")).unlabelled == {0}


def test_a_number_in_two_spellings_is_two_classes_and_noted(read):
    assert read(labels_file("1.1", "1.10", "1.2")).notes[-1] == (
        "A number in two spellings is two classes: '1.1' and '1.10'."
    )


@pytest.mark.parametrize(
    "labels",
    [range(9), [*range(20)] * 2, [f"{n / 4}" for n in range(20)] * 2, [f"c{n}" for n in range(30)]],
    ids=["few", "repeated", "repeated decimals", "words"],
)
def test_numbers_that_repeat_few_numbers_and_words_are_classes(read, labels):
    assert len(read(labels_file(*labels)).class_names) == len(set(labels))


def test_a_semicolon_file_is_read_by_its_columns_or_by_the_option(read):
    text = "smiles;y\nC;a\nCC;b\n"
    found = read(text)
    assert found.class_names == ("a", "b")
    for sign in (";", "semicolon"):
        assert read(text, delimiter=sign).content_sha256() == found.content_sha256()
    with pytest.raises(DataError, match=r"Is another delimiter meant, such as semicolon\?"):
        read(text, delimiter="comma")
    with pytest.raises(ValidationError, match="delimiter"):
        make("x.csv", delimiter="#")


def test_a_single_column_needs_no_brackets():
    one = CsvOptions(path="x.csv", smiles_columns="smiles", label_column="y")
    assert one.smiles_columns == ("smiles",)


def test_how_a_file_is_read_is_no_part_of_the_identity_of_runs():
    plain = make("x.csv").options.model_dump(mode="json")
    assert plain == {
        "smiles_columns": ["smiles"], "label_column": "y", "protein_column": None,
    }  # fmt: skip
    assert make("x.csv", delimiter=";", max_bad=0.2).options.model_dump(mode="json") == plain


@pytest.mark.fault(29)
@pytest.mark.parametrize("labels", [["a", "a"], ["1", "1.0"], ["a", ""], ["", "nan"]])
def test_fewer_than_two_classes_are_refused(read, labels):
    """A set of one class is trained on and scores 100 %."""
    with pytest.raises(DataError, match="at least two classes in column 'y'"):
        read(labels_file(*labels))


@pytest.mark.fault(29)
def test_classes_of_one_sample_are_allowed_and_noted(read):
    """A class of one sample breaks the reader, or nobody is told."""
    samples = read(labels_file("a", "b", "b", "c"))
    assert samples.notes == ("2 of 3 classes have a single sample: 'a', 'c'.",)
    many = read(labels_file(*(f"c{n}" for n in range(1000))))
    assert len(many.class_names) == 1000
    assert many.notes[0].startswith("1000 of 1000 classes have a single sample: 'c0', 'c1'")


def test_a_missing_column_lists_those_found(read):
    with pytest.raises(DataError, match=r"columns 'Smiles', 'y'. Did you mean 'Smiles'\?"):
        read("Smiles,y\nC,1\nC,0\n")
    with pytest.raises(DataError, match="Expected a column 'y'"):
        read("smiles,label\nC,1\nC,0\n")


@pytest.mark.fault(22)
def test_bom_crlf_and_quoting_are_read(read):
    """A byte order mark or a quoted comma loses a column."""
    samples = read('\ufeff"smiles",y\r\n"C[N+](C)(C)C","a, b"\r\nC,"say ""c"""\r\n')
    assert samples.class_names == ("a, b", 'say "c"')
    assert list(samples.entities[0].values) == ["C[N+](C)(C)C", "C"]


def test_a_column_used_twice_is_refused():
    with pytest.raises(ValidationError, match="expected different columns, but got y twice"):
        CsvOptions(path="x.csv", smiles_columns=("y",), label_column="y")


def test_no_smiles_column_is_refused():
    with pytest.raises(ValidationError):
        CsvOptions(path="x.csv", smiles_columns=(), label_column="y")


numbers = st.one_of(st.integers(), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))


@given(st.lists(numbers, min_size=1))
def test_numeric_classes_are_in_order_of_value_and_one_a_value(values):
    names = _class_names([str(value) for value in values])
    classes = [float(name) for name in dict.fromkeys(names.values())]
    assert classes == sorted(classes)
    assert len(set(names.values())) == len(set(values))
    assert all(float(names[str(value)]) == float(value) for value in values)


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1), st.randoms())
def test_classes_do_not_depend_on_the_order_of_rows(texts, random):
    shuffled = random.sample(texts, len(texts))
    assert _class_names(texts) == _class_names(shuffled)
    assert list(_class_names(texts)) == list(_class_names(shuffled))


def test_labels_point_at_the_name_of_their_class(read):
    rng = np.random.default_rng(0)
    texts = rng.choice(["x", "y", "zz"], 50).tolist()
    samples = read(labels_file(*texts))
    assert [samples.class_names[label] for label in samples.labels] == texts
