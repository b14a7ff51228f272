"""No method, of whatever kind, gets at a label of the test set, or at what it may not depend on."""

import types

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from bench.errors import HiddenLabelsError
from bench.method import METHODS, Ensemble, Estimator, Method, register_method
from bench.models.gcn import GCNOptions
from bench.options import Options
from bench.training.run import run
from bench.training.score import score
from bench.training.settings import TrainingSettings
from tests.toy import toy_data, toy_split

DATA = toy_data((40, 20, 10))
SPLIT = toy_split(DATA)
SETTINGS = TrainingSettings(epochs=2, batch_size=16)


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    METHODS.discover()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))


def run_of(cls, data=DATA, runs=None):
    register_method("toy", title="Toy", group="extension", reference="none")(cls)
    return run(
        data,
        SPLIT,
        method_name="toy",
        method_options=Options(),
        backbones={"molecule": ("gcn", GCNOptions(hidden=8, out=8))},
        training=SETTINGS,
        seed=0,
        device=torch.device("cpu"),
        runs=runs,
    )


class Leaks(Method):
    def predict(self, network, batch):
        labels = self.labels_of(batch)
        return 100.0 * one_hot(torch.as_tensor(labels), self.context.num_classes)


class Batch(Leaks):
    def labels_of(self, batch):
        return batch.labels


class OwnForward(Method):
    """Takes the labels on the way, and gives them in ``adjust_logits``."""

    def predict(self, network, batch):
        self.taken = batch.labels
        return super().predict(network, batch)


class Collator(Leaks):
    def labels_of(self, batch):
        return self.context.view.collator.labels[batch.positions]


class Split(Leaks):
    def labels_of(self, batch):
        return self.context.view.split.test


class View(Leaks):
    def labels_of(self, batch):
        return self.context.view.labels("test")


class PrivateCollator(Leaks):
    def labels_of(self, batch):
        return self.context.view._collator.labels_of(SPLIT.test)


class PrivateBatch(Leaks):
    def labels_of(self, batch):
        return self.context.view._collator(SPLIT.test).labels


@pytest.mark.parametrize(
    ("cls", "error", "words"),
    [
        (Batch, HiddenLabelsError, "inputs of a batch alone, but `batch.labels` was read"),
        (OwnForward, HiddenLabelsError, "inputs of a batch alone, but `batch.labels` was read"),
        (PrivateBatch, HiddenLabelsError, "inputs of a batch alone, but `batch.labels` was read"),
        (PrivateCollator, HiddenLabelsError, "Those of the test set are for scoring alone"),
        (View, ValueError, "the set train or valid, but got 'test'"),
        (Collator, AttributeError, "'SplitView' object has no attribute 'collator'"),
        (Split, AttributeError, "'SplitView' object has no attribute 'split'"),
    ],
)
def test_a_run_of_a_method_that_reads_labels_of_what_it_predicts_fails(cls, error, words):
    with pytest.raises(error, match=words):
        run_of(cls)


def test_no_batch_that_is_predicted_has_labels_and_every_training_batch_has():
    predicted, trained = [], []

    class Sees(Method):
        def training_step(self, network, batch):
            trained.append(batch.known_labels is not None)
            return super().training_step(network, batch)

        def predict(self, network, batch):
            predicted.append(batch.known_labels)
            return super().predict(network, batch)

    run_of(Sees)
    assert trained
    assert all(trained)
    # After each of two epochs and after training, on validation; then on the test set.
    assert predicted == [None] * 4


_CODE = (types.FunctionType, types.MethodType, types.ModuleType)


def reachable(value, seen):
    """Every array and tensor that can be reached from `value` through attributes and items."""
    if id(value) in seen or isinstance(value, (str, bytes, int, float, type, type(None))):
        return
    seen[id(value)] = value
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, torch.Tensor):
        yield value.detach().numpy()
    elif isinstance(value, dict):
        for item in value.values():
            yield from reachable(item, seen)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from reachable(item, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, _CODE):
        yield from reachable(vars(value), seen)


def test_nothing_that_a_method_holds_has_labels_of_the_test_part():
    held = []

    class Holds(Method):
        def conclude(self, network):
            held.extend(reachable([self, network, self.context], {}))

    run_of(Holds)
    known = np.concatenate([SPLIT.train, SPLIT.valid])
    holding = [
        array
        for array in held
        if array.shape == DATA.labels.shape and (array[known] == DATA.labels[known]).all()
    ]
    assert len(holding) == 1  # the collator's, behind the view: what is looked for is found
    assert (holding[0][SPLIT.test] == -1).all()
    assert any(np.array_equal(array, SPLIT.valid) for array in held)
    assert not any(np.array_equal(array, SPLIT.test) for array in held)


def test_predictions_are_the_same_whatever_the_test_labels_and_scores_are_not():
    others = toy_data((40, 20, 10))
    others.labels[SPLIT.test] = (others.labels[SPLIT.test] + 1) % 3
    one, other = run_of(Method), run_of(Method, others)
    assert np.array_equal(one.predictions["test_logits"], other.predictions["test_logits"])
    assert "test_labels" not in one.predictions
    assert "metrics" not in one.figures
    scores = [score(one, DATA, SPLIT), score(other, others, SPLIT)]
    assert scores[0].figures["metrics"] != scores[1].figures["metrics"]
    for scored, data in zip(scores, (DATA, others), strict=True):
        assert np.array_equal(scored.predictions["test_labels"], data.labels[SPLIT.test])


def test_an_estimator_sees_labels_where_it_fits_and_none_where_it_predicts():
    seen = {}

    class Sees(Estimator):
        def fit(self, train, valid):
            seen["fit"] = train.labels, valid.labels

        def logits(self, samples):
            seen.setdefault("predict", []).append(samples.known_labels)
            return np.zeros((len(samples.entities[0].values), self.context.num_classes))

    run_of(Sees)
    assert np.array_equal(seen["fit"][0], DATA.labels[SPLIT.train])
    assert np.array_equal(seen["fit"][1], DATA.labels[SPLIT.valid])
    assert seen["predict"] == [None, None]


def test_an_estimator_that_reads_labels_where_it_predicts_ends_with_a_reason():
    class Reads(Estimator):
        def fit(self, train, valid):
            pass

        def logits(self, samples):
            return np.eye(self.context.num_classes)[samples.labels]

    with pytest.raises(HiddenLabelsError, match=r"alone, but `samples.labels` was read in logits"):
        run_of(Reads)


class Other:
    """A finished run that keeps account of what is asked of it."""

    def __init__(self, asked):
        self.asked = asked

    def network_state(self):
        self.asked.append("network")
        return {}

    def logits(self, part):
        self.asked.append(part)
        return np.zeros((len(SPLIT.parts()[part]), DATA.num_classes), np.float32)


def test_a_method_is_given_the_networks_of_other_runs_and_nothing_that_these_predict():
    asked, given = [], []

    class BuildsOn(Method):
        def initialise(self, network):
            given.append(vars(self.context.runs["other"]))

    run_of(BuildsOn, runs={"other": Other(asked)})
    assert asked == ["network"]
    assert given == [{"network_state": {}}]


def test_an_ensemble_is_given_what_runs_predict_for_the_test_part_when_all_is_chosen():
    asked = []

    class Combines(Ensemble):
        @classmethod
        def requires(cls, options):
            return {"other": "vanilla"}

        def fit(self, logits, labels):
            assert len(logits["other"]) == len(labels) == len(SPLIT.valid)
            asked.append("fit")

        def logits(self, logits):
            return logits["other"]

        def report(self):
            asked.append("report")
            return {}

    run_of(Combines, runs={"other": Other(asked)})
    assert asked == ["valid", "fit", "report", "test"]
