import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from bench.dataset import Entity
from bench.errors import DataError
from bench.method import Context, Samples, unheard
from bench.methods.chemprop import (
    Chemprop,
    ChempropOptions,
    command_options,
    require_two_classes,
)

CHAINS = [f"{'C' * n}{end}" for n in range(2, 22) for end in "ON"]
LABELS = np.array([0, 1] * 20)
TRAIN, VALID, TEST = slice(0, 24), slice(24, 32), slice(32, 40)


def estimator(labels=LABELS[TRAIN], num_classes=2, on_epoch=unheard, **options):
    context = Context(np.asarray(labels), num_classes, 1, 0, on_epoch=on_epoch)
    return Chemprop(ChempropOptions(**{"epochs": 3, **options}), context)


def samples(*columns, labels=None, kind="molecule"):
    entities = tuple(Entity(f"e{i}", kind, list(column)) for i, column in enumerate(columns))
    return Samples(entities, labels)


def fitted(columns=1, **options):
    found = estimator(**options)
    found.fit(
        samples(*[CHAINS[TRAIN]] * columns, labels=LABELS[TRAIN]),
        samples(*[CHAINS[VALID]] * columns, labels=LABELS[VALID]),
    )
    return found


@pytest.mark.parametrize(
    ("kinds", "got"),
    [(["molecule", "protein"], "got protein"), (["category", "protein"], "got category and"),
     ([], "got none")],
)  # fmt: skip
def test_other_inputs_than_molecules_are_refused(kinds, got):
    assert got in Chemprop.refusal(ChempropOptions(), kinds)


@pytest.mark.parametrize("number", [1, 2])
def test_molecules_are_not_refused(number):
    assert Chemprop.refusal(ChempropOptions(), ["molecule"] * number) is None


@pytest.mark.parametrize(
    ("labels", "classes", "said"),
    [([0, 1, 2], 3, r"Expected two classes .* got 3. Leave"), ([0, 0], 2, r"got \[2, 0\]. Leave")],
)
def test_balance_is_refused_without_two_classes(labels, classes, said):
    with pytest.raises(DataError, match=said):
        require_two_classes(Context(np.array(labels), classes, 1, 0))
    found = estimator(labels, classes, class_balance=True)
    three = samples(CHAINS[: len(labels)], labels=np.array(labels))
    with pytest.raises(DataError, match=said):
        found.fit(three, three)


@pytest.mark.parametrize(
    ("options", "tau", "shares"),
    [({}, 0.0, [0.75, 0.25]), ({"class_balance": True}, 0.0, [0.5, 0.5]),
     ({}, 0.5, [3**0.5 / (3**0.5 + 1), 1 / (3**0.5 + 1)]),
     ({"class_balance": True}, 1.0, [0.25, 0.75])],
)  # fmt: skip
def test_the_prior_that_its_logits_imply(options, tau, shares):
    found = estimator([0, 0, 0, 1], **options)
    found._tau = tau
    assert found.implied_log_prior().exp().tolist() == pytest.approx(shares)


def test_what_its_command_is_told():
    words = command_options(ChempropOptions(), 3, 7)
    assert words[:4] == ["--task-type", "multiclass", "--multiclass-num-classes", "3"]
    assert "--class-balance" in command_options(ChempropOptions(class_balance=True), 2, 7)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 2])
def test_restored_gives_the_same_logits(columns):
    pytest.importorskip("chemprop")
    found = fitted(columns, tune=True)
    again = estimator(tune=True)
    again.load_state(found.state())
    test = samples(*[CHAINS[TEST]] * columns)
    assert np.array_equal(found.logits(test), again.logits(test))


@pytest.mark.slow
def test_a_molecule_that_it_cannot_read_is_read_as_here_and_counted():
    pytest.importorskip("chemprop")
    odd = "C[Al](C)(C)(C)(C)(C)(C)C"
    found = fitted()
    assert found.report()["molecules_it_refuses"] == 0
    assert np.isfinite(found.logits(samples([odd, "CC"]))).all()
    found.fit(
        samples([odd, *CHAINS[TRAIN]][:24], labels=LABELS[TRAIN]),
        samples([odd, *CHAINS[VALID]][:8], labels=LABELS[VALID]),
    )
    assert found.report()["molecules_it_refuses"] == 2


@pytest.mark.slow
def test_every_epoch_is_told_with_what_validation_has_computed():
    """The share of class 1 at the last epoch, which is the best one here, as predicted."""
    pytest.importorskip("chemprop")
    told = []
    found = estimator(on_epoch=lambda epoch, **rest: told.append({"epoch": epoch, **rest}))
    valid = samples(CHAINS[VALID], labels=LABELS[VALID])
    found.fit(samples(CHAINS[TRAIN], labels=LABELS[TRAIN]), valid)
    assert [one["epoch"] for one in told] == [1, 2, 3]
    assert all(0 < one["train_loss"] < 2 and 0 < one["learning_rate"] <= 1e-3 for one in told)
    best = told[found.report()["best_epoch"] - 1]["valid_logits"]
    expected = softmax(found.logits(samples(CHAINS[VALID])), axis=1)
    assert np.allclose(softmax(best, axis=1), expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_nothing_is_written_but_the_results(tmp_path):
    """No folder of logs, no bar, no line of advice of its own libraries."""
    pytest.importorskip("chemprop")
    pd.DataFrame({"smiles": CHAINS, "label": LABELS}).to_csv(tmp_path / "data.csv", index=False)
    done = subprocess.run(
        [
            sys.executable, Path(__file__).parents[2] / "run_bench.py", "--data", "data.csv",
            "--smiles-col", "smiles", "--label-col", "label", "--methods", "chemprop",
            "--set", "method_options.chemprop.epochs=3", "--splits", "random", "--seeds", "0",
            "--out", "out", "--jobs", "1",
        ],
        cwd=tmp_path, env={**os.environ, "LTDD_CACHE_DIR": str(tmp_path / "cache")},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "out", "cache"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".leases", "checkpoints", "failures", "plan.json", "plans", "runs", "runs.csv",
        "table2.csv", "table2.md",
    }  # fmt: skip
    assert re.fullmatch("(Warning: data, random split, .*\n)*", done.stderr)
    assert not any(word in done.stdout.lower() for word in ("lightning", "gpu", "trainer", "it/s"))


@pytest.mark.slow
@pytest.mark.parametrize("absent", [None, 1])
def test_equal_to_its_own_command_over_more_classes(tmp_path, absent):
    pytest.importorskip("chemprop")
    labels = np.arange(40) % 3
    keep = np.ones(40, bool) if absent is None else (labels != absent) | (np.arange(40) >= 24)
    chosen = np.flatnonzero(keep[TRAIN])
    smiles = np.array(CHAINS)
    found = estimator(labels[chosen], 3)
    found.fit(
        samples(smiles[chosen], labels=labels[chosen]),
        samples(smiles[VALID], labels=labels[VALID]),
    )
    parts = np.repeat(["train", "val", "test"], [24, 8, 8])
    table = pd.DataFrame({"smiles": smiles, "label": labels, "split": parts})[keep]
    given = told_by_its_command(tmp_path, table, found, 3)
    got = softmax(found.logits(samples(CHAINS[TEST])), axis=1)
    assert np.allclose(got, given, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("balance", [False, True])
def test_equal_to_its_own_command(tmp_path, balance):
    pytest.importorskip("chemprop")
    found = fitted(class_balance=balance)
    parts = np.repeat(["train", "val", "test"], [24, 8, 8])
    table = pd.DataFrame({"smiles": CHAINS, "label": LABELS, "split": parts})
    given = told_by_its_command(tmp_path, table, found, 2)[:, 0]
    logits = found.logits(samples(CHAINS[TEST]))[:, 1]
    assert np.allclose(1 / (1 + np.exp(-logits)), given, rtol=0, atol=1e-6)


def told_by_its_command(tmp_path, table, found, classes):
    """Probabilities of the test set, (n, 1) or (n, K)."""
    table.to_csv(tmp_path / "data.csv", index=False)
    seed = found._arguments().pytorch_seed
    subprocess.run(
        [
            sys.executable, "-c", "from chemprop.cli.main import main; main()", "train",
            "--data-path", "data.csv", "--output-dir", "out", "--splits-column", "split",
            "--smiles-columns", "smiles", "--target-columns", "label", "--accelerator", "cpu",
            *command_options(found.options, classes, seed),
        ],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    given = pd.read_csv(next(tmp_path.glob("out/**/test_predictions.csv")))
    if classes == 2:
        return given[["label"]].to_numpy()
    return np.array([[float(share) for share in row.split(",")] for row in given["label_prob"]])
