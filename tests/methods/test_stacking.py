import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from torch.nn.functional import cross_entropy

from bench.methods._stacking import Stacking, fit_stacking


def classifiers(*, samples=120, classes=3, count=2, seed=0):
    """Labels of a long tail, and logits that know them more or less, each with a prior."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, 2**classes, samples))
    labels = np.minimum(classes - 1, classes - np.log2(labels + 1).astype(int))
    labels[:classes] = np.arange(classes)
    truth = np.eye(classes)[labels]
    members = [
        (m + 1) * truth + rng.normal(size=(samples, classes)) + rng.normal(size=classes)
        for m in range(count)
    ]
    return members, labels


def objective(members, labels, weights, biases):
    """The formula term by term: classes one after the other, then the ridge."""
    total = 0.0
    for k in np.unique(labels):
        of_class = [
            -log_softmax(
                sum(w * log_softmax(z[i]) for w, z in zip(weights, members, strict=True)) + biases
            )[k]
            for i in np.flatnonzero(labels == k)
        ]
        total += np.mean(of_class) / len(np.unique(labels))
    ridge = sum((w - 1 / len(members)) ** 2 for w in weights) / (2 * len(labels))
    return total + ridge


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equals_an_unconstrained_fit_by_automatic_differentiation(seed, classes):
    members, labels = classifiers(classes=classes, seed=seed)
    stacked = torch.stack([torch.from_numpy(log_softmax(z, axis=1)) for z in members])
    of_class = torch.from_numpy(1 / np.bincount(labels))
    weights = torch.full((len(members),), 0.5, dtype=torch.float64, requires_grad=True)
    biases = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, biases], max_iter=2000, tolerance_grad=1e-12, tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss():
        optimiser.zero_grad()
        logits = torch.tensordot(weights, stacked, dims=1) + biases
        value = cross_entropy(logits, torch.from_numpy(labels), weight=of_class)
        value = value + ((weights - 0.5) ** 2).sum() / (2 * len(labels))
        value.backward()
        return value

    optimiser.step(loss)
    found = fit_stacking(members, labels)
    assert (weights > 0).all()  # so that the bound does not matter
    assert found.weights == pytest.approx(weights.detach().numpy(), abs=1e-5)
    expected = biases.detach().numpy()
    assert found.biases == pytest.approx(expected - expected.mean(), abs=1e-5)


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 4))
def test_no_neighbour_has_a_smaller_loss(seed, classes, count):
    members, labels = classifiers(samples=40, classes=classes, count=count, seed=seed)
    found = fit_stacking(members, labels)
    least = objective(members, labels, found.weights, found.biases)
    rng = np.random.default_rng(seed)
    for size in (1e-3, 1e-2, 0.3):
        weights = np.maximum(found.weights + size * rng.normal(size=count), 0)
        biases = found.biases + size * rng.normal(size=classes)
        assert objective(members, labels, weights, biases) >= least - 1e-9


@given(st.integers(0, 10_000))
def test_the_prior_a_classifier_was_trained_under_does_not_matter(seed):
    members, labels = classifiers(seed=seed)
    rng = np.random.default_rng(seed)
    shifted = [z + rng.normal(scale=3, size=3) + rng.normal(size=(len(z), 1)) for z in members]
    plain, other = fit_stacking(members, labels), fit_stacking(shifted, labels)
    assert other.weights == pytest.approx(plain.weights, abs=1e-4)
    difference = other.logits(shifted) - plain.logits(members)
    np.testing.assert_allclose(difference, difference[:, :1].repeat(3, axis=1), atol=1e-3)


def test_order_of_the_classifiers_does_not_matter():
    members, labels = classifiers(count=3)
    forwards, backwards = fit_stacking(members, labels), fit_stacking(members[::-1], labels)
    assert backwards.weights == pytest.approx(forwards.weights[::-1], abs=1e-6)


def test_a_classifier_that_is_wrong_gets_no_weight_instead_of_a_negative_one():
    members, labels = classifiers()
    found = fit_stacking([members[0], -members[0]], labels)
    assert found.weights[1] == pytest.approx(0, abs=1e-6)


def test_separated_classes_leave_finite_weights():
    labels = np.array([0, 0, 0, 1, 1])
    found = fit_stacking([20.0 * np.eye(2)[labels]], labels)
    assert np.isfinite(found.weights).all()
    assert found.weights[0] < 10


def test_a_class_without_samples_is_never_favoured():
    members, labels = classifiers(classes=4)
    kept = labels != 2
    found = fit_stacking([z[kept] for z in members], labels[kept])
    assert found.biases[2] == found.biases.min()
    assert np.isfinite(found.biases).all()


@given(st.integers(0, 10_000), st.integers(2, 30))
def test_one_power_of_the_prior_is_best_of_all_powers_and_weights(seed, classes):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(90) % classes)
    members = [2 * np.eye(classes)[labels] + rng.normal(size=(90, classes)) for _ in range(2)]
    log_prior = np.log(rng.dirichlet(np.ones(classes)) + 1e-6)
    found = fit_stacking(members, labels, log_prior)
    tau = -found.biases @ (log_prior - log_prior.mean()) / np.var(log_prior) / classes
    np.testing.assert_allclose(found.biases, tau * (log_prior.mean() - log_prior), atol=1e-12)
    least = objective(members, labels, found.weights, found.biases)
    for size in (1e-3, 1e-2, 0.3):
        weights = np.maximum(found.weights + size * rng.normal(size=2), 0)
        biases = -(tau + size * rng.normal()) * log_prior
        assert objective(members, labels, weights, biases) >= least - 1e-9


def test_of_two_classes_one_power_of_the_prior_says_what_free_biases_say():
    members, labels = classifiers(classes=2)
    free = fit_stacking(members, labels)
    moved = fit_stacking(members, labels, np.log([0.9, 0.1]))
    np.testing.assert_allclose(moved.weights, free.weights, atol=1e-6)
    np.testing.assert_allclose(moved.biases, free.biases, atol=1e-6)


def test_a_class_without_samples_is_moved_by_its_prior():
    members, labels = classifiers(classes=4)
    kept = labels != 2
    log_prior = np.log([0.6, 0.2, 0.1, 0.1])
    found = fit_stacking([z[kept] for z in members], labels[kept], log_prior)
    assert found.biases[2] == found.biases[3]


def test_logits_are_the_weighted_sum_of_log_probabilities():
    stacking = Stacking(np.array([0.5, 2.0]), np.array([0.1, -0.1]))
    members = [np.log([[0.8, 0.2]]), np.log([[0.3, 0.7]])]
    first = 0.5 * np.log(0.8) + 2 * np.log(0.3) + 0.1
    second = 0.5 * np.log(0.2) + 2 * np.log(0.7) - 0.1
    assert stacking.logits(members) == pytest.approx(np.array([[first, second]]))


def test_logits_may_have_any_sum():
    members, labels = classifiers()
    found = fit_stacking(members, labels)
    moved = [z + 1000.0 for z in members]
    np.testing.assert_allclose(found.logits(moved), found.logits(members), atol=1e-9)
