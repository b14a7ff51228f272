import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bench.dataset import Entity
from bench.errors import DataError
from bench.method import Context, Samples
from bench.methods.chemprop import Chemprop, ChempropOptions, command_options

CHAINS = [f"{'C' * n}{end}" for n in range(2, 22) for end in "ON"]
LABELS = np.array([0, 1] * 20)
TRAIN, VALID, TEST = slice(0, 24), slice(24, 32), slice(32, 40)


def estimator(labels=LABELS[TRAIN], num_classes=2, **options):
    context = Context(np.asarray(labels), num_classes, 1, 0)
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


def test_proteins_are_refused():
    with pytest.raises(DataError, match="Expected inputs that are molecules"):
        estimator([0]).fit(samples(["MKV"], kind="protein"), samples(["MKV"], kind="protein"))


def test_balance_of_more_classes_is_refused():
    found = estimator([0, 1, 2], 3, class_balance=True)
    three = samples(["C", "CC", "CO"], labels=np.arange(3))
    with pytest.raises(DataError, match="Expected two classes"):
        found.fit(three, three)


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
def test_a_molecule_that_it_cannot_read_is_read_as_here():
    pytest.importorskip("chemprop")
    assert np.isfinite(fitted().logits(samples(["C[Al](C)(C)(C)(C)(C)(C)C", "CC"]))).all()


@pytest.mark.slow
@pytest.mark.parametrize("balance", [False, True])
def test_equal_to_its_own_command(tmp_path, balance):
    pytest.importorskip("chemprop")
    found = fitted(class_balance=balance)
    parts = np.repeat(["train", "val", "test"], [24, 8, 8])
    table = pd.DataFrame({"smiles": CHAINS, "label": LABELS, "split": parts})
    table.to_csv(tmp_path / "data.csv", index=False)
    seed = found._arguments().pytorch_seed
    subprocess.run(
        [
            sys.executable, "-c", "from chemprop.cli.main import main; main()", "train",
            "--data-path", "data.csv", "--output-dir", "out", "--splits-column", "split",
            "--smiles-columns", "smiles", "--target-columns", "label", "--accelerator", "cpu",
            *command_options(found.options, 2, seed),
        ],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    given = pd.read_csv(next(tmp_path.glob("out/**/test_predictions.csv")))["label"]
    logits = found.logits(samples(CHAINS[TEST]))[:, 1]
    assert np.allclose(1 / (1 + np.exp(-logits)), given, rtol=0, atol=1e-6)
