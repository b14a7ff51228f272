"""A file with a split column and a date column, from the command line to the table."""

from __future__ import annotations

import numpy as np
import pytest

from bench.config import resolve
from bench.data.obtain import obtain
from bench.data.prepare import prepare
from bench.dataset import Entity, RawSamples
from bench.errors import DataError
from bench.spec import label_and_fold, label_of_fold
from bench.sweep.plan import dataset_part, expand, open_dataset
from tests.commands.conftest import ROWS


@pytest.fixture
def path(tmp_path):
    """Every third row is tested, one has no value, and the fourth SMILES is none."""
    lines = ["smiles,class,part,day"]
    for n, (smiles, name) in enumerate(ROWS):
        part = "TEST" if n % 3 == 0 else "" if n == 1 else "Train"
        lines.append(f"{smiles if n != 3 else 'C(('},{name},{part},{1990 + n % 20}-{1 + n % 12:02}")
    target = tmp_path / "my.csv"
    target.write_text("\n".join(lines))
    return target


def arguments(path, tmp_path, *more):
    return (
        "--data", path, "--smiles-col", "smiles", "--label-col", "class", "--methods", "majority",
        "--seeds", "0", "--executor", "in-process", "--out", tmp_path / "results", *more,
    )  # fmt: skip


def test_a_split_column_is_the_split(bench, path, tmp_path):
    code, out, err = bench(*arguments(path, tmp_path, "--split-col", "part"))
    assert code == 0, err
    assert "Column split: my" in out
    assert "1 of 60 samples have no value in the split column and are left out" in err
    assert "The split column names no validation set: 4 of the 39 samples of train" in err
    assert "my, column split, seed 0: test molecules are" in out


def test_an_option_is_named_only_to_splits_that_have_it(bench, path, tmp_path):
    lines = path.read_text().splitlines()
    twice = [line.replace("TEST", "train") for line in lines if "TEST" in line]
    path.write_text("\n".join([*lines, *twice]))
    hint = "The option group_duplicates"
    _, _, err = bench(*arguments(path, tmp_path, "--split-col", "part"))
    assert "Equal samples in train and test" in err
    assert hint not in err
    _, _, err = bench(*arguments(path, tmp_path, "--splits", "random"))
    assert hint in err


def test_a_date_column_alone_changes_no_split(bench, path, tmp_path):
    code, out, _ = bench(*arguments(path, tmp_path, "--date-col", "day", "--dry-run"))
    assert code == 0
    assert "my · random · majority" in out
    assert "my · time" not in out
    code, out, err = bench(
        *arguments(path, tmp_path, "--date-col", "day", "--splits", "time,cv5[fold=2]")
    )
    assert code == 0, err
    assert "Time split: my" in out
    assert "cv5[fold=2] split: my" in out


def test_a_report_says_how_near_the_test_set_is(bench, path):
    words = ("--smiles-col", "smiles", "--label-col", "class")
    code, out, _ = bench("data", path, *words, "--split-col", "part", "--date-col", "day")
    assert code == 0
    rows = [line.split()[1] for line in out.splitlines() if line.startswith("│ ")]
    assert rows[-3:] == ["random", "column", "time"]
    code, out, _ = bench("data", path, *words, "--splits", "butina[cutoff=0.2]")
    assert "│ butina" in out
    assert "│ random" not in out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--split-col", "prat"), "Expected a column 'prat'"),
        (("--split-col", "day"), "Expected train, valid (or val, validation) and test"),
        (("--date-col", "part", "--splits", "time"), "row 0: 'TEST'"),
        (("--splits", "time"), "with --date-col, or choose another split"),
        (("--splits", "column"), "with --split-col, or choose another split"),
        (("--splits", "cv5[fold=5]"), "fold: Input should be less than 5"),
    ],
)
def test_bad_input_is_refused_with_the_way_out(bench, path, tmp_path, more, words):
    code, _, err = bench(*arguments(path, tmp_path, *more))
    assert code == 2
    assert words in err


@pytest.mark.parametrize(
    ("split", "option"), [("time", "--date-col"), ("random,column", "--split-col")]
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_column_that_is_not_named_is_missed_before_features_are_made(
    bench, path, tmp_path, monkeypatch, split, option, more
):
    monkeypatch.setenv("LTDD_CACHE_DIR", str(tmp_path / "cache"))
    code, _, err = bench(*arguments(path, tmp_path, "--splits", split, *more))
    assert code == 2
    assert "in the data set my for its" in err
    assert option in err
    data = ("data", path, "--smiles-col", "smiles", "--label-col", "class", "--splits", split)
    assert bench(*data)[0] == 2
    assert not (tmp_path / "cache").exists()


def test_without_a_file_the_options_are_refused(bench):
    code, _, err = bench("--datasets", "hiv", "--split-col", "part")
    assert code == 2
    assert "--split-col go with --data FILE" in err


def _part(path, **columns):
    more = "".join(f",{key}={value}" for key, value in columns.items())
    return dataset_part(f"csv[path={path},smiles_columns=smiles,label_column=class{more}]")


def test_columns_are_part_of_the_identity_only_where_they_are_named(path):
    plain, both = _part(path), _part(path, split_column="part", date_column="day")
    assert set(plain.to_json()["options"]) == {
        "smiles_columns", "label_column", "protein_column",
    }  # fmt: skip
    assert both.to_json()["options"]["split_column"] == "part"
    assert both.to_json()["options"]["date_column"] == "day"


def test_columns_of_usable_rows_are_kept_with_the_features(path, tmp_path):
    part = _part(path, split_column="part", date_column="day")
    dataset = open_dataset(part)
    located = obtain(dataset, data_dir=None)
    for _ in range(2):  # made, then opened from the cache
        prepared = prepare(part.name, dataset, located.path, located.sha256, cache_dir=tmp_path)
        assert len(prepared) == len(ROWS) - 1
        assert prepared.split_column[:4] == ["TEST", "", "Train", "Train"]
        assert prepared.dates[3] == "1994-05"
    plain = open_dataset(_part(path))
    without = prepare("csv", plain, located.path, located.sha256, cache_dir=tmp_path)
    assert without.split_column is without.dates is None
    assert without.content_sha256 != prepared.content_sha256


def test_content_is_as_before_without_columns_and_of_them_with():
    entity = Entity("molecule", "molecule", ["C", "CC"])
    labels = np.array([0, 1])
    hashes = {
        RawSamples((entity,), labels, ("a", "b"), **more).content_sha256()
        for more in ({}, {"dates": ["1", "2"]}, {"split_column": ["1", "2"]}, {"dates": ["2", "1"]})
    }
    assert len(hashes) == 4
    assert "d9d57060" in {sha256[:8] for sha256 in hashes}
    with pytest.raises(DataError, match="Expected 2 texts in dates"):
        RawSamples((entity,), labels, ("a", "b"), dates=["1"])


def test_folds_that_are_not_named_are_all_run():
    def splits(*asked):
        return [part.label for part in expand(resolve("quick", {"splits": asked}).settings).splits]

    folds = [f"cv5[fold={fold}]" for fold in range(5)]
    assert splits("random", "cv5") == ["random", *folds]
    assert splits("cv5[fold=3]") == ["cv5[fold=3]"]
    assert splits("cv5[fold=[1,2]]") == folds[1:3]
    grouped = splits("cv5[group_duplicates=true]")
    assert grouped[4] == "cv5[fold=4,group_duplicates=true]"
    assert label_of_fold(*label_and_fold(grouped[4])) == grouped[4]
