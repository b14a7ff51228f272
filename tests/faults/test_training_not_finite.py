"""Numbers that are infinite or none end a run with their place; they never become a score."""

import csv as csv_module
import math
import sys

import numpy as np
import pytest
import torch
from torch import nn

from bench import cli
from bench.conformance.trial import Case
from bench.errors import TrainingError
from bench.method import METHODS, Estimator, Method, register_method
from bench.models.gcn import GCNOptions
from bench.options import Options
from bench.training.run import run
from bench.training.settings import TrainingSettings
from tests.commands.conftest import ROWS
from tests.faults.test_training_resume import IN_EPOCHS, OPTIONS
from tests.methods.toy_run import toy_run
from tests.methods.trials import trial
from tests.toy import toy_data, toy_split

# 63 training samples: fifteen steps an epoch, and seven where it visits half of them.
CASE = Case(epochs=2, batch_size=4)


class PoisonAtStep7(Method):
    """Goes before a method in the order of its bases."""

    steps = 0

    def training_step(self, network, batch):
        self.steps += 1
        if self.steps == 7:
            with torch.no_grad():
                trained = (one for one in network.parameters() if one.requires_grad)
                next(trained, next(network.parameters())).view(-1)[0] = math.nan
        return super().training_step(network, batch)


@pytest.mark.fault(38)
@pytest.mark.parametrize("name", IN_EPOCHS)
def test_a_weight_that_is_not_a_number_ends_the_run_at_that_step(name):
    """A loss that is not a number goes on for hours, or becomes a normal score."""
    found = trial(name, CASE, **OPTIONS.get(name, {}))
    cls = type(found.method)
    found.method.__class__ = type(cls.__name__, (PoisonAtStep7, cls), {})
    with pytest.raises(TrainingError, match="finite training loss, but got nan at epoch 1 step 7"):
        found.train()


def fails(cls, match):
    with pytest.raises(TrainingError, match=match):
        toy_run(cls, epochs=2).train()


@pytest.mark.fault(38)
def test_a_gradient_that_is_not_finite_ends_the_run_at_the_next_step():
    """The loss is 0 times a root; its slope is infinite and spoils every weight at once."""

    class Root(Method):
        def loss(self, logits, labels):
            return super().loss(logits, labels) + (0 * logits).square().sum().sqrt()

    fails(Root, r"nan at epoch 1 step 2, where network\..* and \d+ more were not finite before")


@pytest.mark.fault(38)
def test_a_gradient_that_is_not_finite_and_stays_apart_ends_the_run_at_the_epochs_end():
    """Only a branch that is not taken has the infinite slope; the loss never sees it."""

    class Branch(Method):
        def setup(self):
            self.scale = nn.Parameter(torch.zeros(1))

        def loss(self, logits, labels):
            root = torch.where(torch.tensor(False), self.scale.sqrt(), 1.0)
            return super().loss(logits, labels) * root.squeeze()

    fails(Branch, r"finite weights, but got others in method.scale after epoch 1")


@pytest.mark.fault(38)
def test_weights_are_looked_at_even_where_the_loss_does_not_see_them():
    """A unit with a bias of minus infinity is silent: loss, gradients and logits stay finite."""

    class Overflows(Method):
        def training_step(self, network, batch):
            with torch.no_grad():
                network.head.layers[0].bias[0] = -math.inf
            return super().training_step(network, batch)

    fails(Overflows, r"finite weights, but got others in network.head.layers.0.bias after epoch 1")


@pytest.mark.fault(38)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_validation_logits_that_are_not_finite_are_no_prediction(value):
    """The largest of numbers that are none is some class, and its score looks normal."""

    class Adjusts(Method):
        def adjust_logits(self, logits):
            return logits.index_fill(0, torch.tensor([0]), value)

    fails(Adjusts, r"finite logits on the validation set after epoch 1, but got others for 1 of")


def run_of(monkeypatch, cls):
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    register_method("toy", title="Toy", group="extension", reference="none")(cls)
    data = toy_data((60, 30, 15))
    return run(
        data,
        toy_split(data),
        method_name="toy",
        method_options=Options(),
        backbones={"molecule": ("gcn", GCNOptions(hidden=8, out=8))},
        training=TrainingSettings(epochs=2, batch_size=16),
        seed=0,
        device=torch.device("cpu"),
    )


@pytest.mark.fault(38)
def test_test_logits_that_are_not_finite_end_the_run(monkeypatch):
    """Only molecules of the test set overflow the network."""
    test = set(toy_split(toy_data((60, 30, 15))).test.tolist())

    class FailsOnTest(Method):
        def predict(self, network, batch):
            hit = torch.tensor([position in test for position in batch.positions.tolist()])
            return network(batch).masked_fill(hit[:, None], math.nan)

    with pytest.raises(TrainingError, match="finite logits on the test set, but got others for"):
        run_of(monkeypatch, FailsOnTest)


@pytest.mark.fault(38)
def test_an_estimator_whose_logits_are_not_finite_ends_the_run(monkeypatch):
    """The logarithm of a probability of zero."""

    class Certain(Estimator):
        def fit(self, train, valid):
            pass

        def logits(self, samples):
            with np.errstate(divide="ignore"):
                return np.log(np.eye(3)[np.zeros(len(samples.entities[0].values), int)])

    with pytest.raises(TrainingError, match="finite logits on the validation set, but got"):
        run_of(monkeypatch, Certain)


@pytest.mark.fault(38)
def test_one_such_run_is_one_run_less_in_its_mean(tmp_path, monkeypatch, capsys):
    """One run of three goes wrong: the others go on, and the mean is of two and says so."""
    monkeypatch.setenv("LTDD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    @register_method("poisoned", title="Poisoned", group="extension", reference="none")
    class Poisoned(PoisonAtStep7):
        def setup(self):
            # From beyond step 7 the other seeds never get there.
            self.steps = 0 if self.context.seed == 1 else 7

    rows = "".join(f"{smiles},{label}\n" for smiles, label in ROWS)
    (tmp_path / "toy.csv").write_text(f"smiles,class\n{rows}")
    results = tmp_path / "results"
    command = (
        f"run_bench.py --data {tmp_path / 'toy.csv'} --smiles-col smiles --label-col class "
        f"--methods vanilla,poisoned --seeds 0,1,2 --splits random --epochs 4 "
        f"--executor in-process --set training.batch_size=16 --out {results}"
    )
    monkeypatch.setattr(sys, "argv", command.split())
    assert cli.main() == 1
    assert "got nan at epoch" in capsys.readouterr().out
    table = (results / "table2.md").read_text()
    row = next(line for line in table.splitlines() if line.startswith("| Poisoned"))
    assert "(2/3) †1" in row
    assert "got nan at epoch" in table
    with (results / "runs.csv").open() as file:
        status = [(row["method"], row["status"]) for row in csv_module.DictReader(file)]
    assert status.count(("poisoned", "complete")) == 2
    assert status.count(("poisoned", "failed")) == 1
    assert status.count(("vanilla", "complete")) == 3
