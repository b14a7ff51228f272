"""Methods that change how the finished vanilla run predicts."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bench.conformance.trial import Case
from bench.method import METHODS
from bench.methods._posthoc import PRIOR_POWERS, choose_tau, posthoc_log_prior
from bench.methods.ncm import NearestClassMean, class_means
from bench.methods.tau_norm import TAUS, normalised_rows
from bench.metrics import balanced_accuracy
from tests.methods.toy_run import on_counts
from tests.methods.trials import equal_states, labels, trained, trial, with_run

POST_HOC = ("logit_adjustment_posthoc", "vanilla_tuned", "tau_norm", "ncm")
# Hard enough for vanilla to get some samples wrong after two epochs.
EARLY = Case(counts=(120, 40, 20), epochs=2)


@pytest.fixture(scope="module")
def vanilla():
    return trained("vanilla", EARLY)


def score(found, part="valid"):
    predictions = found.logits(getattr(found.split, part)).argmax(axis=1)
    return balanced_accuracy(labels(found, part), predictions, found.data.num_classes)


@pytest.mark.parametrize("name", POST_HOC)
def test_trains_nothing_and_keeps_the_vanilla_encoder(name, vanilla):
    found = trained(name, EARLY)
    assert found.method.stages() == ()
    assert METHODS.get(name).cls.requires(found.method.options) == {"first_stage": "vanilla"}
    assert equal_states(found.network.encoders, vanilla.network.encoders)
    assert equal_states(found.network.head.layers, vanilla.network.head.layers)


# ---------------------------------------------------------------- the choice on validation


def test_of_equally_good_taus_the_nearest_to_0_is_taken_and_the_positive_of_two():
    target = np.array([0, 1])

    def good_from(*taus):
        return lambda tau: np.array([[1.0, 0.0], [0.0, 1.0 if tau in taus else -1.0]])

    taus = (-1, -0.5, 0, 0.5, 1)
    assert choose_tau(taus, good_from(*taus), target, 2) == 0
    assert choose_tau(taus, good_from(), target, 2) == 0
    assert choose_tau(taus, good_from(-1, 0.5, 1), target, 2) == 0.5
    assert choose_tau(taus, good_from(-1, 1), target, 2) == 1
    assert choose_tau(taus, good_from(-1), target, 2) == -1


@given(hnp.arrays(float, (12, 3), elements=st.floats(-3, 3)))
def test_no_tau_of_the_grid_is_better_than_the_chosen_one(logits):
    target = np.arange(12) % 3
    prior = np.log([0.8, 0.16, 0.04])

    def quality(tau):
        return balanced_accuracy(target, (logits - tau * prior).argmax(axis=1), 3)

    chosen = choose_tau(PRIOR_POWERS, lambda tau: logits - tau * prior, target, 3)
    assert quality(chosen) == max(map(quality, PRIOR_POWERS))


def test_grids_hold_what_they_must():
    assert {0.0, 1.0} <= set(PRIOR_POWERS)
    assert pytest.approx(np.arange(0, 2.05, 0.1)) == TAUS


# ---------------------------------------------------------------- the prior off the logits


def test_prior_of_an_absent_class_is_that_of_a_single_sample():
    found = posthoc_log_prior(torch.tensor([100, 20, 0])).exp() * 121
    assert found.tolist() == pytest.approx([100, 20, 1])


def test_logit_adjustment_takes_tau_times_the_log_prior_off(vanilla):
    counts = np.bincount(labels(vanilla, "train"))
    for tau in (0.0, 0.5, 1.0, 2.0):
        found = trained("logit_adjustment_posthoc", EARLY, tau=tau).logits()
        expected = vanilla.logits() - tau * np.log(counts / counts.sum())
        assert found == pytest.approx(expected, abs=1e-5)


def test_equal_counts_change_no_prediction():
    case = Case(counts=(30, 30, 30), epochs=1)
    before = trained("vanilla", case).logits().argmax(axis=1)
    after = trained("logit_adjustment_posthoc", case).logits().argmax(axis=1)
    assert np.array_equal(before, after)


def test_tuning_is_on_validation_at_least_as_good_as_any_fixed_tau(vanilla):
    tuned = trained("vanilla_tuned", EARLY)
    fixed = [trained("logit_adjustment_posthoc", EARLY, tau=t / 4) for t in range(9)]
    assert score(tuned) >= max(score(found) for found in fixed)
    assert score(tuned) > score(vanilla)
    assert tuned.method.tau > 0


@pytest.mark.parametrize("tau", [-0.5, 1.0, 2.0])
def test_tuning_finds_a_prior_that_was_put_in_by_hand(tau):
    case = Case(counts=(120, 60, 30), epochs=12)
    network = copy.deepcopy(trained("vanilla", case).network)
    with torch.no_grad():
        # Right, but by so little that any prior decides.
        for parameter in network.head.classifier.parameters():
            parameter *= 1e-3
        counts = trial("vanilla", case).method.context.class_counts
        network.head.classifier.bias += tau * posthoc_log_prior(counts)
    scores = []
    for name, options in (("logit_adjustment_posthoc", {"tau": 0.0}), ("vanilla_tuned", {})):
        found = with_run(trial(name, case, **options), "first_stage", network)
        found.train()
        scores.append(score(found))
    assert scores == [pytest.approx(1 / 3), 1]
    assert found.method.tau == tau


def test_tuning_keeps_vanilla_predictions_where_nothing_is_better():
    case = Case(counts=(120, 60, 30), epochs=12)
    found = trained("vanilla_tuned", case)
    assert found.method.tau == 0
    assert np.array_equal(found.logits(), trained("vanilla", case).logits())


# ---------------------------------------------------------------- tau-norm


def test_worked_rows():
    weight = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    expected = [1.341641, 1.788854, 1, 0, 0.6, 0.8]
    assert normalised_rows(weight, 0.5).flatten().tolist() == pytest.approx(expected, abs=5e-7)


# Squares of numbers below 1e-150 are 0.
LENGTHS = st.just(0.0) | st.floats(1e-150, 1e3) | st.floats(-1e3, -1e-150)


@given(hnp.arrays(float, (4, 3), elements=LENGTHS))
def test_rows_are_as_they_were_at_0_and_of_length_1_at_1(weight):
    weight = torch.from_numpy(weight)
    assert torch.equal(normalised_rows(weight, 0.0), weight)
    lengths = normalised_rows(weight, 1.0).norm(dim=1)
    assert torch.allclose(lengths, (weight.norm(dim=1) > 0).double())
    assert torch.isfinite(normalised_rows(weight, 2.0)).all()


def test_tau_0_predicts_as_the_classifier_without_bias(monkeypatch, vanilla):
    monkeypatch.setattr("bench.methods.tau_norm.TAUS", (0.0,))
    found = trained("tau_norm", EARLY)
    network = copy.deepcopy(vanilla.network)
    with torch.no_grad():
        network.head.classifier.bias.zero_()
        expected = network.eval()(vanilla.collator(vanilla.split.test))
    assert found.logits() == pytest.approx(expected.numpy(), abs=1e-6)


def test_tau_norm_takes_the_best_tau_on_validation(vanilla):
    network = copy.deepcopy(vanilla.network)
    with torch.no_grad():
        network.head.classifier.weight[0] *= 50  # all but a miss for the other classes
    found = with_run(trial("tau_norm", EARLY), "first_stage", network)
    found.train()
    scores = []
    for tau in TAUS:
        other = copy.deepcopy(network)
        with torch.no_grad():
            other.head.classifier.weight.copy_(normalised_rows(other.head.classifier.weight, tau))
            other.head.classifier.bias.zero_()
            logits = other.eval()(vanilla.collator(vanilla.split.valid)).numpy()
        scores.append(balanced_accuracy(labels(found, "valid"), logits.argmax(axis=1), 3))
    assert found.method.tau == TAUS[int(np.argmax(scores))] > 0
    assert score(found) == max(scores) > scores[0]


# ---------------------------------------------------------------- nearest class mean


def test_nearest_class_mean_agrees_with_loops(vanilla):
    found = trained("ncm", EARLY)
    network, collator = vanilla.network.double().eval(), vanilla.collator
    features = {}
    with torch.no_grad():
        for part in ("train", "test"):
            batch = collator(getattr(vanilla.split, part)).to(dtype=torch.float64)
            features[part] = network.head.hidden(network.encode(batch)).numpy()
    vanilla.network.float()
    centre = features["train"].mean(axis=0)
    unit = {
        k: (f - centre) / np.linalg.norm(f - centre, axis=1)[:, None] for k, f in features.items()
    }
    means = [unit["train"][labels(found, "train") == k].mean(axis=0) for k in range(3)]
    expected = [[-sum((x - c) ** 2) for c in means] for x in unit["test"]]
    assert found.logits() == pytest.approx(np.array(expected), abs=1e-4)


def test_class_without_training_samples_is_never_the_nearest():
    method = on_counts(NearestClassMean, (3, 0, 3))
    method.register_buffer("centre", torch.zeros(2))
    method.register_buffer("means", torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]))
    # On the other side of the centre than both classes present.
    features = torch.tensor([[-3.0, -4.0]])
    head = SimpleNamespace(hidden=lambda x: x)
    network = SimpleNamespace(head=head, encode=lambda batch: features)
    logits = method.predict(network, None)[0]
    assert logits[[0, 2]].tolist() == pytest.approx([-(1.6**2) - 0.8**2, -(0.6**2) - 1.8**2])
    assert logits[1] < -4  # no unit vector is so far from a mean of unit vectors


def test_equal_features_stay_finite():
    found = trial("ncm", EARLY)
    found.method.initialise(found.network)
    with torch.no_grad():
        found.network.head.layers[0].weight.zero_()
    run = with_run(found, "first_stage", found.network)
    run.train()
    assert np.isfinite(run.logits()).all()


def test_class_means_of_an_empty_class_are_zeros():
    found = class_means(torch.tensor([[2.0, 0.0], [4.0, 2.0]]), torch.tensor([2, 2]), 3)
    assert found.tolist() == [[0, 0], [0, 0], [3, 1]]


def test_learns_nearly_as_well_as_the_network():
    found = trained("ncm", Case(counts=(120, 60, 30), epochs=12))
    assert score(found, "test") > 0.75
