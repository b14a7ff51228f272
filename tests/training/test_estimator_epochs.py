"""What an estimator with a loop of its own tells of its epochs, and what it is refused."""

import numpy as np
import pytest
import torch

from bench.errors import DataError, UnavailableError
from bench.method import Estimator
from bench.options import Options
from bench.training.kinds import begin
from bench.training.settings import TrainingSettings
from tests.toy import toy_data, toy_split

DATA = toy_data((40, 20))
SPLIT = toy_split(DATA)
TRUTH = DATA.labels[SPLIT.valid]


class Loops(Estimator):
    """At epoch 1 all are taken for class 0; at epoch 2 each for its own, with odds of e to 1."""

    def fit(self, train, valid):
        for epoch, scores in enumerate((np.eye(2)[np.zeros_like(TRUTH)], np.eye(2)[TRUTH]), 1):
            self.context.on_epoch(
                epoch, train_loss=1 / epoch, learning_rate=0.1, valid_logits=scores
            )

    def logits(self, samples):
        return np.zeros((len(samples.entities[0].values), 2))


def begun(cls):
    return begin(
        DATA, SPLIT, cls, Options(), backbones={}, training=TrainingSettings(epochs=1), seed=0,
        device=torch.device("cpu"), runs={},
    )  # fmt: skip


def test_watchers_hear_of_each_epoch():
    told = []
    result = begun(Loops).fit(on_epoch=told.append)
    assert [one.epoch for one in told] == [1, 2]
    assert [one.train_loss for one in told] == [1.0, 0.5]
    assert [one.valid_balanced_accuracy for one in told] == [0.5, 1.0]
    assert told[1].valid_loss == pytest.approx(np.log(1 + np.exp(-1)))
    assert all(one.seconds >= 0 for one in told)
    assert result.history == ()


def test_nobody_need_listen():
    assert begun(Loops).fit().history == ()


class Picky(Loops):
    @classmethod
    def refusal(cls, options, kinds):
        return f"got {', '.join(kinds)}"


class Lacks(Loops):
    needs = {"no_such_package_here": "pip install it"}  # noqa: RUF012


def test_what_cannot_be_trained_is_refused_before_it_is_made():
    with pytest.raises(DataError, match="got molecule"):
        begun(Picky)
    with pytest.raises(UnavailableError, match=r"no_such_package_here, .* Run: pip install it"):
        begun(Lacks)
