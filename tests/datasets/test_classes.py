"""Classes of a column of measurements, by a cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.datasets._classes import Cut, OneClassError, classes_by_cut, classes_by_name
from bench.datasets.csv_file import CsvFile, CsvOptions
from bench.errors import DataError

WHERE = "in column 'y' of x.csv"


def cut_up(cut, *texts):
    return classes_by_cut(dict(enumerate(texts)), Cut.parse(cut), WHERE)


@pytest.mark.parametrize(
    ("written", "text", "names"),
    [
        ("<=1000", "<=1000", ("<=1000", ">1000")),
        (">1000", "<=1000", ("<=1000", ">1000")),
        (" 1000 ", "<=1000", ("<=1000", ">1000")),
        ("≤ 1e3", "<=1e3", ("<=1e3", ">1e3")),
        ("<-.5", "<-.5", ("<-.5", ">=-.5")),
        ("≥5", "<5", ("<5", ">=5")),
        ("100,1000", "<=100,1000", ("<=100", ">100 and <=1000", ">1000")),
        ("<1, 2,3", "<1,2,3", ("<1", ">=1 and <2", ">=2 and <3", ">=3")),
    ],
)
def test_a_cut_names_its_classes_and_has_one_way_to_be_written(written, text, names):
    cut = Cut.parse(written)
    assert (cut.text, cut.names) == (text, names)
    assert Cut.parse(cut.text) == cut


@pytest.mark.parametrize("text", ["", "active", "<=", "<=x", "5<", "1,", "=5", "nan", "1 2", "inf"])
def test_a_cut_that_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="such as <=1000, or rising numbers, such as 100,1000"):
        Cut.parse(text)
    with pytest.raises(ValidationError, match="label_cut"):
        CsvOptions(path="x.csv", smiles_columns=("s",), label_column="y", label_cut=text)


@pytest.mark.parametrize("text", ["1000,100", "1,1.0", "1,2,2"])
def test_limits_that_do_not_rise_are_refused(text):
    with pytest.raises(ValueError, match="rising numbers"):
        Cut.parse(text)


def test_ten_values_by_hand():
    texts = ["5", "1000", "1000.01", "1E3", ">10000", "<5", ">5", "<2000", "~10", "none"]
    made = cut_up("<=1000", *texts)
    assert made.names == ("<=1000", ">1000")
    assert made.numbers == {0: 0, 1: 0, 2: 1, 3: 0, 4: 1, 5: 0}
    assert made.undecided == {
        row: f"the cut <=1000 does not decide {texts[row]!r}" for row in (6, 7, 8)
    }
    assert made.bad == {9: "expected a number to be cut, but got 'none'"}
    [note] = made.notes
    assert (
        note
        == "3 rows are left out as the cut <=1000 does not decide them, such as <2000, >5, ~10."
    )


@pytest.mark.parametrize(
    ("cut", "places"),
    [
        ("<=10", {"10": 0, ">10": 1, ">=10": None, "<10": 0, "<=10": 0, "<11": None, "=10": 0}),
        ("<10", {"10": 1, ">10": 1, ">=10": 1, "<10": 0, "<=10": None, ">9": None, "=10": 1}),
        (
            "10,20",
            {"15": 1, ">10": None, ">20": 2, ">=20": None, "<10": 0, "<20": None, ">15": None},
        ),
    ],
)
def test_a_qualifier_is_used_where_every_value_that_it_allows_is_in_one_class(cut, places):
    assert {text: Cut.parse(cut).place(text) for text in places} == places


@given(
    value=st.integers(-40, 40),
    sign=st.sampled_from(["", "=", "<", "<=", ">", ">="]),
    limits=st.lists(st.integers(-20, 20), min_size=1, max_size=4, unique=True).map(sorted),
    below=st.booleans(),
)
def test_the_class_is_that_of_all_values_that_the_text_allows(value, sign, limits, below):
    """Values by halves, from far below to far above, stand for all."""
    cut = Cut(below, tuple(map(str, limits)))

    def class_of(number):
        return sum(number > limit if below else number >= limit for limit in limits)

    allowed = {
        "": [value],
        "=": [value],
        "<": np.arange(-50, value, 0.5),
        "<=": np.arange(-50, value + 0.5, 0.5),
        ">": np.arange(value + 0.5, 50, 0.5),
        ">=": np.arange(value, 50, 0.5),
    }[sign]
    classes = {class_of(number) for number in allowed}
    expected = classes.pop() if len(classes) == 1 else None
    assert cut.place(f"{sign}{value}") == expected


def test_a_class_without_rows_is_left_out_and_said():
    made = cut_up("1,2,3", "0", "1.5", "1.7", "9")
    assert made.names == ("<=1", ">1 and <=2", ">3")
    assert made.numbers == {0: 0, 1: 1, 2: 1, 3: 2}
    assert "No value is in the classes >2 and <=3: they are left out." in made.notes


def test_a_cut_that_leaves_one_class_says_where_the_numbers_are():
    with pytest.raises(OneClassError, match=r"at <=1000, but got \['<=1000'\]: .* from 5 to 70"):
        cut_up("<=1000", "5", "70", "x")
    with pytest.raises(OneClassError, match="but got none: the numbers there go from 5 to 5"):
        cut_up("<=1000", ">5")
    with pytest.raises(OneClassError, match="from nothing"):
        cut_up("<=1000")
    with pytest.raises(DataError, match="only texts such as 'high', 'low' in 3 rows"):
        cut_up("<=1000", "low", "high", "low")


def test_a_cut_is_part_of_the_identity_where_it_is_set(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("smiles,y\nC,5\nCC,>5000\nCCC,>50\nO,\nN,?\n")
    options = {"path": str(path), "smiles_columns": ("smiles",), "label_column": "y"}
    plain = CsvOptions(**options)
    assert not {"label_cut", "standardise", "name", "sheet"} & plain.model_dump().keys()
    cut = CsvOptions(**options, label_cut=">1000", name="my:y")
    assert cut.model_dump()["label_cut"] == "<=1000"
    assert CsvFile(cut).label() == "my:y"
    samples = CsvFile(cut).read(path)
    assert samples.labels.tolist() == [0, 1, -1, -1, -1]
    assert samples.unlabelled == {2, 3}
    assert sorted(samples.unusable) == [2, 3, 4]


@pytest.mark.parametrize("qualified", [[">10000"] * 40, ["≥ 10000", "<0.5", "~7"]])
def test_measurements_with_qualifiers_are_named_as_such(qualified):
    texts = [*(f"{n}.5" for n in range(12)), *qualified]
    with pytest.raises(DataError) as caught:
        classes_by_name(dict(enumerate(texts)), WHERE)
    assert "12 different numbers, and some with a qualifier" in str(caught.value)
    assert f"such as 0.5, 1.5, {qualified[0]}: they look like measurements" in str(caught.value)
    assert "--label-cut" in str(caught.value)


@pytest.mark.parametrize(
    "texts",
    [
        ["<=1000", ">1000"] * 20,  # classes of a cut
        [*map(str, range(12)), *map(str, range(12)), ">12"],  # numbers that repeat
        [*map(str, range(9)), ">9"],  # few
        [*(f"{n}.5" for n in range(12)), ">10", "inactive"],  # words
    ],
)
def test_classes_with_such_signs_stay_classes(texts):
    assert len(classes_by_name(dict(enumerate(texts)), WHERE).names) == len(set(texts))
