"""Files that are odd but right: each is read and trained on, or refused in words."""

import csv as csv_files
import random

import pytest

from bench.data.left_out import FEW_BAD
from bench.sweep.store import Store
from tests.commands.conftest import ALCOHOLS, AMINES, RINGS, ROWS


def records(tmp_path, out="results"):
    return {record["job"]["method"]["name"]: record for record in Store(tmp_path / out).records()}


def test_shuffled_labels_score_as_chance_and_true_ones_do_not(bench, csv, tmp_path, toy_arguments):
    """A leak, or a metric that flatters, shows as skill where there is nothing to learn."""
    molecules = [f"{'C' * n}{end}" for n in range(1, 61) for end in ("O", "N", "c1ccccc1")]
    labels = ["alcohol", "amine", "ring"] * 60
    shuffled = random.Random(0).sample(labels, len(labels))
    for name, own, seeds in (("true", labels, "0"), ("shuffled", shuffled, "0,1,2")):
        path = csv(list(zip(molecules, own, strict=True)), name=f"{name}.csv")
        words = toy_arguments("--methods", "ecfp_forest", "--seeds", seeds, path=path, out=name)
        assert bench(*words)[0] == 0
    scores = {
        name: [r["metrics"]["balanced_accuracy"] for r in Store(tmp_path / name).records()]
        for name in ("true", "shuffled")
    }
    assert scores["true"][0] > 0.9
    # Means over 3 x 36 test samples: a standard error of 4.5 points.
    assert abs(sum(scores["shuffled"]) / 3 - 1 / 3) < 0.18


def test_classes_whose_names_may_be_a_slip_are_named_and_kept(bench, csv, toy_arguments):
    names = ["Ring"] * 6 + ["ring"] * 5
    rows = [*((s, "alcohol") for s in ALCOHOLS)]
    rows += zip(AMINES + RINGS, ["unknown"] * 12 + ["-"] * 8 + names, strict=True)
    path = csv(rows)
    columns = ("--smiles-col", "smiles", "--label-col", "class")
    for words in (["data", path, *columns], toy_arguments("--methods", "ecfp_forest", path=path)):
        code, _, err = bench(*words)
        assert code == 0
        err = " ".join(err.split())
        assert "capitals or spaces alone: 'Ring' (6 samples), 'ring' (5 samples)." in err
        assert "a label that is not there: '-' (8 samples), 'unknown' (12 samples)." in err
    _, out, err = bench("data", csv(), *columns)
    assert "kept as" not in err + out


HYPERVALENT = [
    "O=Cl(=O)(=O)F", "FBr(F)(F)(F)F", "FI(F)(F)(F)(F)(F)F", "Br[Br-]Br", "[Cl-]->[Be+2]<-[Cl-]",
]  # fmt: skip
STRANGE = [
    "F[P-](F)(F)(F)(F)F", "CN=N#N", "*CC(*)c1ccccc1", "*", "[H+]", "[2H]C([2H])O", "[Fe+2]",
    "[CH-]1C=CC=C1.[CH-]1C=CC=C1.[Fe+2]", "NCC(=O)" * 60 + "O",
]  # fmt: skip


@pytest.mark.parametrize("split", ["random", "scaffold"])
def test_hypervalent_atoms_polymers_and_single_atoms_are_trained_on(
    bench, csv, tmp_path, toy_arguments, split
):
    odd = [*HYPERVALENT, *STRANGE]
    path = csv([*ROWS, *((smiles, ("alcohol", "amine")[n % 2]) for n, smiles in enumerate(odd))])
    words = ("--methods", "vanilla,ecfp_forest", "--epochs", 1, "--splits", split)
    assert bench(*toy_arguments(*words, path=path))[0] == 0
    found = records(tmp_path)
    assert set(found) == {"vanilla", "ecfp_forest"}
    assert found["vanilla"]["data"]["samples"] == len(ROWS) + len(odd)
    _, out, _ = bench("data", path, "--smiles-col", "smiles", "--label-col", "class")
    assert f"{len(HYPERVALENT)} repaired" in out
    assert f"row {len(ROWS)}: smiles: loaded without the valence check" in out


def test_a_last_batch_of_one_sample_is_trained_on(bench, tmp_path, toy_arguments):
    assert bench(*toy_arguments("--methods", "vanilla", "--epochs", 1, out="first"))[0] == 0
    samples = sum(records(tmp_path, "first")["vanilla"]["data"]["train_counts"])
    code, _, _ = bench(
        *toy_arguments("--methods", "vanilla,mixup,sdr", "--epochs", 3),
        *("--set", f"training.batch_size={samples - 1}"),
    )
    assert code == 0
    assert len(records(tmp_path)) == 3


def test_seeds_of_any_size_are_seeds(bench, tmp_path, toy_arguments):
    seeds = f"{2**32 + 5},{2**70},5"
    words = toy_arguments("--methods", "ecfp_forest", "--seeds", seeds)
    assert bench(*words)[0] == 0
    hashes = {record["data"]["split_hash"] for record in Store(tmp_path / "results").records()}
    assert len(hashes) == 3


def test_molecules_of_one_scaffold_cannot_be_split_by_it(bench, csv, toy_arguments):
    path = csv([(f"c1ccccc1{'C' * n}", "ab"[n % 2]) for n in range(40)])
    code, _, err = bench(*toy_arguments("--splits", "scaffold", path=path))
    assert code == 2
    assert "got 1 groups, the largest with 100.0%" in err
    assert "Use the random split or more diverse molecules" in err


@pytest.mark.parametrize(
    "names", [("7", "007"), ("Class A", "klasse β"), ("<=10", "=1+1"), ("класс", "class a")]
)
def test_names_of_classes_are_kept_as_they_are(bench, csv, tmp_path, toy_arguments, names):
    lines = [*((s, names[0]) for s in ALCOHOLS), *((s, names[1]) for s in (*AMINES, *RINGS))]
    path = csv(lines)
    assert bench(*toy_arguments("--methods", "ecfp_forest", path=path))[0] == 0
    assert set(records(tmp_path)["ecfp_forest"]["data"]["class_names"]) == set(names)


def test_a_public_table_with_an_index_names_and_holes_is_read(bench, tmp_path):
    """BBBP: a column of numbers, commas in names, some compounds without a structure."""
    path = tmp_path / "BBBP.csv"
    with path.open("w", newline="") as file:
        writer = csv_files.writer(file)
        writer.writerow(["", "num", "name", "p_np", "smiles"])
        for n, (smiles, kind) in enumerate(ROWS):
            missing = n < FEW_BAD
            row = [n, n + 1, f"name, {n}", int(kind == "ring"), "" if missing else smiles]
            writer.writerow(row)
        writer.writerow([len(ROWS), 0, "again", 1, ROWS[-1][0]])
        writer.writerow([len(ROWS), 0, "otherwise", 0, f"OC{ROWS[20][0][1:-1]}"])
    code, out, _ = bench("data", path, "--smiles-col", "smiles", "--label-col", "p_np")
    assert code == 0
    assert f"{FEW_BAD} unusable, left out (rows counted from 0 below the header):" in out
    assert "row 0: smiles: expected text, but got ''" in out
    assert "repeated samples" in out
