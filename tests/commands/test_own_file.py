"""A file of the user's on the command line: how it is named, what is said, what is refused."""

import shlex

import pytest

from bench.commands.figures import embeddings_of
from bench.sweep.store import Store
from tests.commands.conftest import ROWS
from tests.report.report_records import source_of

COLUMNS = ("--smiles-col", "smiles", "--label-col", "class")


@pytest.fixture
def table(tmp_path):
    """Writes text to a file and gives its path."""

    def write(text, name="my.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def rows(lines=ROWS, sign=","):
    return "\n".join([f"smiles{sign}class", *(f"{a}{sign}{b}" for a, b in lines)])


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_data_takes_a_path_with_the_options_of_a_run(bench, table, sign):
    path = table(rows(sign=sign))
    for words in ([path], ["--data", path]):
        code, out, err = bench("data", *words, *COLUMNS)
        assert (code, err.count("Error")) == (0, 0)
        assert "alcohol" in out
        assert "30" in out
    again = bench("data", f"csv[path={path},smiles_columns=smiles,label_column=class]")
    assert again[0] == 0
    assert again[1] == out


def test_a_column_whose_name_ends_in_a_space_is_named_as_it_is(bench, table):
    path = table(rows().replace("smiles,class", "smiles ,class "))
    code, _, err = bench("data", path)
    assert code == 2
    words = shlex.split(err.split("Perhaps: ")[1])
    assert words == ["--smiles-col", "smiles ", "--label-col", "class "]
    code, out, err = bench("data", path, *words)
    assert (code, "alcohol" in out) == (0, True), err
    code, _, err = bench("data", path, "--smiles-col", "smiles", "--label-col", "class ")
    assert code == 2
    assert "Did you mean 'smiles '?" in err


def test_a_file_with_brackets_in_its_name_is_a_file(bench, table):
    path = table(rows(), "m[1].csv")
    code, out, err = bench("data", path, *COLUMNS)
    assert (code, err.count("Error")) == (0, 0), err
    assert out == bench("data", "--data", path, *COLUMNS)[1]
    # Where there is no such file, brackets hold options.
    code, _, err = bench("data", path.with_name("m[2].csv"), *COLUMNS)
    assert code == 2
    assert "there is no file" in err


def test_a_single_row_is_not_counted_in_the_plural(bench, table):
    path = table(rows([*ROWS, ("CCO", "")]))
    _, out, _ = bench("data", path, *COLUMNS)
    assert "1 row without a label, left out" in out
    _, out, _ = bench(
        "--data", path, *COLUMNS, "--methods", "vanilla", "--splits", "random", "--seeds", "0",
        "--dry-run",
    )  # fmt: skip
    assert "1 run: 0 done, 1 to do" in out


def test_columns_that_are_not_named_are_listed_and_guessed(bench, table):
    path = table(
        "id;structure;class\n" + "\n".join(f"{n};{s};{c}" for n, (s, c) in enumerate(ROWS))
    )
    for command in (["data", path], ["--data", path]):
        code, _, err = bench(*command)
        assert code == 2
        assert "the columns 'id', 'structure', 'class'" in err
        words = shlex.split(err.split("Perhaps: ")[1])
        assert words == ["--smiles-col", "structure", "--label-col", "class"]
    assert bench("data", path, *words)[0] == 0
    _, _, err = bench("data", path, "--smiles-col", "structure")
    assert "Expected --label-col," in err
    _, _, err = bench("data", "none.csv")
    assert "--smiles-col and --label-col, the columns of molecules and of classes, but" in err
    assert "none.csv" in err.split("not given. ")[1]


def test_options_of_a_file_without_one_and_no_name_are_refused(bench):
    assert (
        "--max-bad go with --data FILE, but there is no file"
        in bench("data", "hiv", "--max-bad", "0.1")[2]
    )
    assert "--delimiter go with --data FILE" in bench("--delimiter", "tab", "--dry-run")[2]
    assert "Expected the name of a data set or a CSV file" in bench("data")[2]
    code, _, err = bench("data", "x.csv", *COLUMNS, "--delimiter", "#")
    assert code == 2
    assert "delimiter" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty file"),
        ("smiles,class\n", "only a header"),
        ("smiles,kind\nC,a\nCC,b\n", r"Expected a column 'class'"),
        ("smiles,class,class\nC,a,b\n", "'class' more than once"),
        ("smiles,class\nC1CC,a\nC1CCC,b\n", "nothing is left"),
        ("smiles,class\nC,a\nCC,a\nC1CC,b\n", "only class 'a' is left"),
        ("smiles,class\nC,a\nCC,\nCCC,\n", "at least two classes"),
        (rows([(s, f"{n}.5") for n, (s, _) in enumerate(ROWS)]), "look like measurements"),
    ],
    ids=["empty", "header", "column", "twice", "all bad", "one class left", "labels", "measured"],
)
@pytest.mark.parametrize("command", ["data", "run"])
def test_a_file_that_cannot_be_used_is_one_short_error(
    bench, table, tmp_path, toy_arguments, command, text, said
):
    path = table(text)
    words = ["data", path, *COLUMNS] if command == "data" else toy_arguments(path=path)
    code, _, err = bench(*words)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert err.count("Error: ") == 1
    assert len(err) < 1000


def test_a_folder_and_a_missing_file_are_told_apart(bench, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    code, _, err = bench("data", tmp_path / "folder.csv", *COLUMNS)
    assert code == 2
    assert "that is a folder" in err
    code, _, err = bench("data", tmp_path / "none.csv", *COLUMNS)
    assert code == 2
    assert "there is none" in err


def test_rows_left_out_are_said_and_recorded_and_the_limit_is_an_option(
    bench, table, tmp_path, toy_arguments
):
    """A file with rows without a label, or one bad row of sixty, cannot be used at all."""
    lines = [*ROWS, *[("CC", "")] * 90, ("", ""), *[("C1CC", "ring")] * 6]
    path = table(rows(lines))
    words = toy_arguments("--methods", "vanilla", path=path)
    code, _, err = bench(*words)
    assert code == 2
    assert "at most 1% (or 5) of the 67 rows with a label" in err
    assert "--max-bad" in err
    code, _, err = bench(*words, "--max-bad", "0.1")
    assert code == 0
    assert (
        "97 of 158 rows are left out: 91 without a label, 6 bad (counted from 0 below the header: "
        "152, 153, 154, 155, 156, ...)." in err
    )
    [record] = Store(tmp_path / "results").records()
    assert record["data"]["unusable"] == 97
    assert record["data"]["samples"] == len(ROWS)
    assert record["data"]["left_out"] == {
        "unlabelled": 91, "bad": 6, "conflict": 0, "bad_rows": list(range(152, 158)),
    }  # fmt: skip
    # The limit changes no sample, so it changes no run.
    code, out, _ = bench(*words, "--max-bad", "0.5")
    assert "1 done before, 0 to do" in out
    _, out, _ = bench("data", path, *COLUMNS, "--max-bad", "0.1")
    assert "91 rows without a label, left out" in out
    assert "row 152: smiles: unclosed ring" in out


def test_another_file_of_the_same_name_is_run_again_and_its_table_is_said_to_go(
    bench, csv, tmp_path, toy_arguments
):
    """The first table of two files of one name is replaced without a word."""
    words = ("--methods", "vanilla", "--epochs", 1)
    (tmp_path / "b").mkdir()
    assert bench(*toy_arguments(*words))[0] == 0
    code, out, err = bench(*toy_arguments(*words))
    assert "1 done before" in out
    assert "is replaced" not in err
    changed = csv([(ROWS[0][0], "amine"), *ROWS[1:]], name="b/toy.csv")
    code, out, err = bench(*toy_arguments(*words, path=changed))
    assert code == 0
    assert "0 done before, 1 to do" in out
    assert "showed other samples of the name toy: it is replaced, its runs are kept" in err


def test_embeddings_of_a_run_on_a_file_find_that_file(bench, toy_arguments, tmp_path, capsys):
    """A record does not say where its file is, and asking it for the path is a traceback."""
    assert bench(*toy_arguments("--methods", "sdr"))[0] == 0
    store = Store(tmp_path / "results")
    source = source_of(store.read_plan(), list(store.records()), {})
    [embedding] = embeddings_of(store, source)
    assert len(embedding.labels) == len(embedding.embeddings)
    (tmp_path / "toy.csv").unlink()
    assert embeddings_of(store, source) == []
    assert "Expected the file of toy" in capsys.readouterr().err


def test_of_many_classes_the_largest_and_smallest_are_shown(bench, csv):
    path = csv([(f"{'C' * n}O", f"class {k:02}") for k in range(51) for n in range(1, 3 + k)])
    code, out, _ = bench("data", path, *COLUMNS)
    assert code == 0
    assert "The 10 largest and the 10 smallest of 51 classes" in " ".join(out.split())
    shown = [line.split()[2] for line in out.splitlines() if line.startswith("│ class ")]
    assert shown == [f"{k:02}" for k in [*range(50, 40, -1), *range(9, -1, -1)]]
    said = " ".join(out.split())
    assert "0 classes have more than 100 samples, 33 have 20 to 100, and 18 have fewer" in said


def test_fifty_classes_are_all_shown(bench, csv):
    path = csv([(f"{'C' * n}O", f"class {k:02}") for k in range(50) for n in range(1, 3)])
    out = bench("data", path, *COLUMNS)[1]
    assert sum(line.startswith("│ class ") for line in out.splitlines()) == 50
    assert "smallest of" not in out
