"""Several label columns of one file, files of other kinds, and what the data report says."""

import json

import pytest
from rdkit import Chem

from bench import load_results
from bench.commands.own_file import tasks_of
from bench.sweep.store import Store
from tests.commands.conftest import ROWS

LABELS = {"alcohol": (1, 0, "x"), "amine": (0, "", "x"), "ring": (0, 1, "x")}


@pytest.fixture
def tasks(tmp_path):
    """A file of three tasks: one whole, one with missing labels, one with a single class."""
    path = tmp_path / "tox.csv"
    lines = [f"{smiles},{a},{b},{c}" for smiles, k in ROWS for a, b, c in [LABELS[k]]]
    path.write_text("\n".join(['smiles,NR-AR,"NR,ER",one', *lines]))
    return path


@pytest.fixture
def sdf(tmp_path):
    """The toy molecules as an SDF file, salts of sodium among them."""
    path = tmp_path / "toy.sdf"
    with Chem.SDWriter(str(path)) as writer:
        for smiles, kind in ROWS:
            salt = f"{smiles[:-1]}[O-].[Na+]" if kind == "alcohol" else smiles
            mol = Chem.MolFromSmiles(salt)
            mol.SetProp("class", kind)
            writer.write(mol)
    return path


def run(*more):
    return (
        "--smiles-col", "smiles", "--splits", "random", "--seeds", "0", "--epochs", "1",
        "--executor", "in-process", *more,
    )  # fmt: skip


def test_each_label_column_is_a_data_set_and_methods_have_a_mean_rank(bench, tasks, tmp_path):
    out = tmp_path / "results"
    tasks.write_text(tasks.read_text().replace('"NR,ER"', "NR-ER"))
    columns = ("--label-col", "NR-AR,NR-ER,one")
    code, printed, err = bench(
        "--data", tasks, *columns, *run("--methods", "nearest_neighbour,majority", "--out", out)
    )
    assert code == 0, err
    assert "tox:one is left out: Expected at least two classes in column 'one'" in err
    assert "tox:NR-ER: 20 of 61 rows are left out: 20 without a label" in err
    plan = json.loads((out / "plan.json").read_text())
    assert {job["dataset_label"] for job in plan["jobs"]} == {"tox:NR-AR", "tox:NR-ER"}
    table = (out / "table2.md").read_text()
    section = table.split("## Mean rank over the 2 tasks of tox")[1].split("##")[0]
    lines = [[cell.strip() for cell in line.split("|")] for line in section.splitlines()]
    ranks = {line[1]: line[2:4] for line in lines if len(line) > 3}
    assert ranks["Nearest neighbour"] == ["1.00", "1.00"]
    assert ranks["Majority class"] == ["2.00", "2.00"]
    assert "Mean rank over the 2 tasks of tox (1 is the best)" in printed
    results = load_results(out)
    page = results.to_html(tmp_path / "page.html").read_text()
    shown = page.split("<caption><span>Mean rank over the 2 tasks of tox. Rank 1")[1]
    line = '<tr><th scope="row">{0}</th><td class="number">{1}</td><td class="number">{1}</td></tr>'
    for method, rank in (("Nearest neighbour", "1.00"), ("Majority class", "2.00")):
        assert line.format(method, rank) in shown.split("</table>")[0]
    frame = results.mean_ranks.set_index("method")
    assert list(frame.columns) == ["file", "title", "balanced_accuracy", "balanced_f1", "tasks"]
    assert list(frame.loc["majority"]) == ["tox", "Majority class", 2.0, 2.0, 2]
    assert frame.loc["nearest_neighbour", "balanced_f1"] == 1.0
    # A task alone is the same run.
    _, printed, _ = bench(
        "--data", tasks, "--label-col", "NR-ER",
        *run("--methods", "majority", "--out", out, "--dry-run"),
    )  # fmt: skip
    assert "1 run: 1 done, 0 to do" in printed
    assert bench("verify", "--out", out)[0] == 0


def test_a_column_whose_name_has_a_comma_is_one(bench, tasks):
    code, out, _ = bench("data", tasks, "--smiles-col", "smiles", "--label-col", "NR,ER")
    assert code == 0
    assert "20 rows without a label" in out


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("NR-AR,nope", "Expected a column 'nope'"),
        ("NR-AR,NR-AR", "Expected each label column once, but got 'NR-AR' twice"),
        ("one,two", "Expected a label column with two classes, but:"),
        ("NR-AR,smiles", "expected different columns, but got smiles twice"),
    ],
)
def test_label_columns_that_cannot_be_used_are_one_error(bench, tasks, columns, message):
    tasks.write_text(tasks.read_text().replace('"NR,ER"', "two").replace(",1,x", ",0,x"))
    code, _, err = bench("data", tasks, "--smiles-col", "smiles", "--label-col", columns)
    assert code == 2
    assert message in err


def test_one_model_is_fitted_to_one_label_column(bench, tasks, tmp_path):
    tasks.write_text(tasks.read_text().replace('"NR,ER"', "NR-ER"))
    _, _, err = bench(
        "fit", "--data", tasks, "--smiles-col", "smiles", "--label-col", "NR-AR,NR-ER",
        "--method", "ecfp_forest", "--to", tmp_path / "model",
    )  # fmt: skip
    assert "Expected one name in --label-col, as one model is fitted, but got 2" in err


def test_an_sdf_file_needs_no_smiles_column_and_its_salts_are_reported(bench, sdf):
    code, out, err = bench("data", sdf, "--label-col", "class")
    assert code == 0, err
    assert "of several fragments (salts) │ 30 (49.2%)" in out
    assert "Commonest fragments beside the largest: [Na+] (30)" in out
    assert "--standardise keeps the largest organic fragment" in " ".join(out.split())
    assert "molecules with a similarity of 0.9 or more" in out
    _, out, _ = bench("data", sdf, "--label-col", "class", "--standardise")
    assert "of several fragments (salts) │ 0 (0.0%)" in out
    _, _, err = bench("data", sdf, "--label-col", "activity")
    assert "the columns 'molecule', 'class'" in err
    _, _, err = bench("data", sdf)
    assert "Perhaps: --smiles-col molecule --label-col class" in err


def test_a_model_standardises_what_it_predicts_as_its_data_were(bench, sdf, tmp_path):
    model, table = tmp_path / "model", tmp_path / "new.csv"
    code, _, err = bench(
        "fit", "--data", sdf, "--label-col", "class", "--standardise", "--method", "ecfp_forest",
        "--to", model,
    )  # fmt: skip
    assert code == 0, err
    table.write_text("smiles\nCCCCO\nCCCC[O-].[Na+]\nCCCC[O-]\nC(C)(C)(C)(C)C\n")
    assert bench("predict", model, table, "--to", tmp_path / "out.csv")[0] == 0
    lines = (tmp_path / "out.csv").read_text().splitlines()[1:]
    first, second, third, bad = (line.split(",", 1)[1] for line in lines)
    assert first == second == third
    assert first.startswith("alcohol,")
    assert "cannot be standardised" in bad
    assert bench("predict", model, sdf, "--to", tmp_path / "out.csv")[0] == 0
    header, first, *_ = (tmp_path / "out.csv").read_text().splitlines()
    assert header.startswith("molecule,class,predicted,")
    assert first.startswith("C[O-].[Na+],alcohol,alcohol,")
    card = json.loads((model / "card.json").read_text())
    assert card["standardise"] is True


def test_a_label_column_with_a_comma_is_one_of_several_in_double_quotes(tasks):
    found = tasks_of(tasks, {"smiles_columns": ["smiles"], "label_column": 'NR-AR,"NR,ER"'})
    assert [task["label_column"] for task in found] == ["NR-AR", "NR,ER"]
    # A column whose own name has quotes is meant first.
    tasks.write_text(tasks.read_text().replace('"NR,ER"', '"""NR,ER"""'))
    found = tasks_of(tasks, {"smiles_columns": ["smiles"], "label_column": 'NR-AR,"NR,ER"'})
    assert [task["label_column"] for task in found] == ["NR-AR", '"NR,ER"']


def test_values_that_a_cut_does_not_decide_are_told_from_missing_ones(bench, tmp_path):
    path = tmp_path / "ic50.csv"
    values = [*range(5, 25), "", ">3", ">4"]
    rows = "".join(f"{'C' * (row + 1)}O,{value}\n" for row, value in enumerate(values))
    path.write_text(f"smiles,ic50\n{rows}")
    columns = ("--smiles-col", "smiles", "--label-col", "ic50", "--label-cut", "<=10")
    code, out, err = bench("data", path, *columns, "--splits", "random")
    assert code == 0, err
    told = " Of those without a label, 2 have a value that the cut does not decide."
    assert f"23 rows are left out: 3 without a label.{told}" in err
    assert f"3 rows without a label, left out.{told}" in " ".join(out.split())


def test_a_split_that_cannot_be_is_left_out_by_name_where_others_remain(bench, tmp_path):
    path = tmp_path / "few.csv"
    rows = "".join(f"{'C' * (row + 1)}O,{'rare' if row < 3 else 'usual'}\n" for row in range(40))
    path.write_text(f"smiles,class\n{rows}")
    columns = ("--smiles-col", "smiles", "--label-col", "class")
    asked = ("--data", path, *columns, "--methods", "majority", "--out", tmp_path / "out")
    code, out, err = bench(*asked, *run("--splits", "random,standard"))
    assert code == 0, err
    assert "few is left out on the standard split: Data set few, standard split, seed 0" in err
    assert "(--splits random)" in err
    assert "Random split: few" in out
    assert "Standard split" not in out
    plan = Store(tmp_path / "out").read_plan()
    assert {job["split"] for job in plan["jobs"]} == {"random"}
    code, _, err = bench(*asked, *run("--splits", "standard"))
    assert (code, "Data set few, standard split" in err) == (2, True)


def test_a_split_that_cannot_be_names_the_label_column(bench, tmp_path):
    path = tmp_path / "tox.csv"
    rows = [
        f"{'C' * (row + 1)}O,{row % 2},{int(row > 30)},{'train' if row < 30 else 'test'}\n"
        for row in range(40)
    ]
    path.write_text("smiles,usual,late,set\n" + "".join(rows))
    columns = ("--smiles-col", "smiles", "--label-col", "usual,late", "--split-col", "set")
    code, out, err = bench("--data", path, *columns, "--seeds", "0", "--methods", "majority",
                           "--out", tmp_path / "out")  # fmt: skip
    assert code == 0, err
    assert "Data set tox:late, column split, seed 0: Expected every class in the training" in err
    assert "tox:usual" in out
    _, _, err = bench("data", path, *columns, "--splits", "column")
    assert "Data set tox:late, column split, seed 0: Expected every class in the training" in err
