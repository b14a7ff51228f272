import csv as csv_module
import io
import shutil

import pytest

from bench.metrics import matrix_of_record, recalls
from bench.sweep.store import Store


@pytest.fixture
def done(bench, toy_arguments, tmp_path):
    assert bench(*toy_arguments("--track", "csv"))[0] == 0
    return sorted(Store(tmp_path / "results").job_ids())


def test_show_says_what_a_run_was_and_how_it_went(bench, done, tmp_path):
    code, out, _ = bench("show", done[0][:8], "--out", tmp_path / "results")
    assert code == 0
    for words in ("balanced_accuracy", "alcohol", "valid loss", "--methods", "Confusion"):
        assert words in out
    assert (tmp_path / "results" / "epochs.csv").read_text().count("\n") == 5


@pytest.mark.parametrize("part", ["test", "valid"])
def test_csv_holds_molecules_truth_and_probabilities(bench, done, tmp_path, part):
    code, out, _ = bench(
        "show", done[0], "--csv", "-", "--set", part, "--out", tmp_path / "results"
    )
    assert code == 0
    rows = list(csv_module.DictReader(io.StringIO(out)))
    stored = Store(tmp_path / "results").predictions(done[0])
    assert len(rows) == len(stored[f"{part}_labels"])
    names = ["alcohol", "amine", "ring"]
    for row, logits in zip(rows, stored[f"{part}_logits"], strict=True):
        assert row["predicted"] == names[logits.argmax()]
        assert sum(float(row[f"p_{name}"]) for name in names) == pytest.approx(1)
        molecule = row["smiles"]
        kind = "ring" if "c1" in molecule else "amine" if molecule.endswith("N") else "alcohol"
        assert row["truth"] == kind


def test_what_a_method_found_is_shown(bench, toy_arguments, tmp_path):
    assert bench(*toy_arguments("--methods", "vanilla_tuned", "--seeds", "0"))[0] == 0
    store = Store(tmp_path / "results")
    said = [bench("show", job, "--out", store.root)[1] for job in store.job_ids()]
    taus = [
        record["selection"]["method"]["tau"]
        for record in map(store.read, store.job_ids())
        if record["job"]["method"]["name"] == "vanilla_tuned"
    ]
    assert taus
    for tau in taus:
        assert any(f"What the method found: tau {tau}\n" in text for text in said)


def rows_of(bench, *arguments):
    code, out, err = bench("show", *arguments)
    assert code == 0
    return list(csv_module.DictReader(io.StringIO(out))), err


def test_missed_samples_alone_are_written(bench, done, tmp_path):
    asked = (done[0], "--out", tmp_path / "results", "--csv", "-")
    every, _ = rows_of(bench, *asked)
    missed, _ = rows_of(bench, *asked, "--missed")
    assert missed == [row for row in every if row["truth"] != row["predicted"]]
    assert 0 < len(missed) < len(every)
    lines = (tmp_path / "toy.csv").read_text().splitlines()[1:]
    assert all(lines[int(row["row"])] == f"{row['smiles']},{row['truth']}" for row in every)
    code, _, err = bench("show", done[0], "--missed", "--out", tmp_path / "results")
    assert (code, "--missed goes with --csv" in err) == (2, True)


@pytest.mark.parametrize("part", ["test", "valid"])
def test_an_archived_run_has_the_same_samples_without_probabilities(bench, done, tmp_path, part):
    asked = ("--csv", "-", "--set", part)
    whole, _ = rows_of(bench, done[0], "--out", tmp_path / "results", *asked)
    assert bench("archive", "--out", tmp_path / "results")[0] == 0
    for path in (tmp_path / "results").glob("records.tar.xz*"):
        (tmp_path / "new").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "new")
    archived, err = rows_of(bench, done[0], "--out", tmp_path / "new", *asked)
    assert "no probabilities" in err
    assert archived == [
        {name: row[name] for name in ("position", "row", "smiles", "truth", "predicted")}
        for row in whole
    ]
    (tmp_path / "toy.csv").unlink()
    code, _, err = bench("show", done[0], "--out", tmp_path / "new", *asked)
    assert code != 0
    assert "came from an archive, which does not keep which samples were tested" in err


def test_all_classes_are_written_as_csv(bench, done, tmp_path):
    results = ("--out", tmp_path / "results")
    code, out, _ = bench("show", done[0], "--classes", "-", *results)
    assert code == 0
    rows = list(csv_module.DictReader(io.StringIO(out)))
    record = Store(tmp_path / "results").read(done[0])
    assert [row["class"] for row in rows] == ["alcohol", "amine", "ring"]
    assert [int(row["train"]) for row in rows] == record["data"]["train_counts"]
    recall = recalls(matrix_of_record(record["confusion"]))
    assert [float(row["recall"]) for row in rows] == recall.tolist()
    code, out, _ = bench("show", done[0], "--classes", tmp_path / "c.csv", *results)
    assert (code, "c.csv: 3 rows" in out) == (0, True)
    code, _, err = bench("show", done[0], "--classes", "-", "--csv", "-", *results)
    assert (code, "Expected --csv or --classes" in err) == (2, True)


def test_without_the_data_file_positions_stand_alone_and_a_note_says_so(bench, done, tmp_path):
    (tmp_path / "toy.csv").unlink()
    to = tmp_path / "to.csv"
    code, _, err = bench("show", done[0], "--csv", to, "--out", tmp_path / "results")
    assert code == 0
    assert to.read_text().startswith("position,truth,predicted,p_alcohol")
    assert "Positions stand alone" in err


def test_bad_requests_end_in_a_sentence(bench, done, tmp_path):
    results = ("--out", tmp_path / "results")
    code, _, err = bench("show", "zzz", *results)
    assert (code, "Expected the name of a run" in err) == (2, True)
    code, _, err = bench("show", "", *results)
    assert code == 2
    code, _, err = bench("show", done[0], "--set", "valid", *results)
    assert (code, "goes with --csv" in err) == (2, True)
    code, _, err = bench("show", done[0], "--csv", tmp_path / "no" / "x.csv", *results)
    assert (code, "Expected a file to write to" in err) == (2, True)
    code, _, err = bench("show", done[0], "--out", tmp_path / "nothing")
    assert (code, "Run the benchmark first" in err) == (2, True)
