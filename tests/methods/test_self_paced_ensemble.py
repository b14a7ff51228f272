import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from bench.dataset import Entity
from bench.method import Context, Samples
from bench.methods.self_paced_ensemble import (
    SelfPacedEnsemble,
    SelfPacedEnsembleOptions,
    draw_probabilities,
    self_paced_alpha,
)

DIGITS = 5.1e-7
HARDNESS = np.array([0, 0.1, 0.15, 0.3, 0.5, 0.55, 0.9, 1])


def test_worked_numbers_of_alpha():
    found = [self_paced_alpha(tree, 5) for tree in range(5)]
    assert found[:4] == pytest.approx([0, 0.414214, 1, 2.414214], abs=DIGITS)
    assert found[4] == pytest.approx(1.6e16, rel=0.05)
    assert self_paced_alpha(0, 1) == 0


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        (0.0, [0.218690] * 3 + [0.182242] + [0.052069] * 2 + [0.028775] * 2),
        (1.0, [0.107552] * 3 + [0.268880] + [0.114605] * 2 + [0.089627] * 2),
        (self_paced_alpha(4, 5), [1 / 12] * 3 + [1 / 4] + [1 / 8] * 4),
    ],
)
def test_worked_numbers_of_the_draw(alpha, expected):
    found = draw_probabilities(HARDNESS, bins=4, alpha=alpha)
    assert found == pytest.approx(expected, abs=DIGITS)


def by_loops(hardness, bins, alpha):
    low, high = min(hardness), max(hardness)
    members = {}
    for i, h in enumerate(hardness):
        members.setdefault(min(int((h - low) / (high - low) * bins), bins - 1), []).append(i)
    weights = {
        b: 1 / (np.mean([hardness[i] for i in of]) + alpha + 1e-12) for b, of in members.items()
    }
    total = sum(weights.values())
    found = [0.0] * len(hardness)
    for b, of in members.items():
        for i in of:
            found[i] = weights[b] / total / len(of)
    return found


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=30).filter(lambda h: max(h) - min(h) > 1e-6),
    st.integers(1, 9),
    st.floats(0, 1e3),
)
def test_equals_the_definition_and_adds_up_to_1(hardness, bins, alpha):
    found = draw_probabilities(np.array(hardness), bins=bins, alpha=alpha)
    assert found == pytest.approx(by_loops(hardness, bins, alpha), rel=1e-6, abs=1e-12)
    assert found.sum() == pytest.approx(1)


def test_in_the_end_every_bin_that_has_samples_is_equally_likely():
    hardness = np.array([0.0, 0.05, 0.1, 0.95, 1.0])
    found = draw_probabilities(hardness, bins=5, alpha=self_paced_alpha(99, 100))
    assert found == pytest.approx([1 / 6] * 3 + [1 / 4] * 2)


def test_without_alpha_bins_weigh_by_the_inverse_of_their_hardness():
    found = draw_probabilities(np.array([0.2, 0.8]), bins=2, alpha=0.0)
    assert found[0] / found[1] == pytest.approx(4)


@pytest.mark.parametrize("hardness", [HARDNESS, np.full(8, 0.3), np.zeros(8), np.ones(1)])
def test_one_bin_or_equal_hardness_is_uniform(hardness):
    bins = 1 if hardness is HARDNESS else 4
    found = draw_probabilities(hardness, bins=bins, alpha=0.0)
    assert found == pytest.approx(np.full(len(hardness), 1 / len(hardness)))


def test_no_hardness_at_all_has_a_finite_weight():
    found = draw_probabilities(np.array([0.0, 0.0, 1.0]), bins=2, alpha=0.0)
    assert np.isfinite(found).all()
    assert found[:2].sum() == pytest.approx(1)


def samples(smiles, labels=None):
    return Samples((Entity("smiles", "molecule", list(smiles)),), labels)


def chains(rng, count):
    return ["".join(rng.choice(list("CCCNOS"), 12)) for _ in range(count)]


def ensemble(labels, **options):
    settings = SelfPacedEnsembleOptions(**{"trees": 8, **options})
    return SelfPacedEnsemble(settings, Context(labels, int(labels.max()) + 1, 1, 0))


@pytest.fixture
def watched(monkeypatch):
    """Labels of each tree, and what it says of the class shares of its training samples."""
    seen = []
    fit = DecisionTreeClassifier.fit

    def watch(self, features, labels, *rest, **more):
        seen.append(np.bincount(labels))
        return fit(self, features, labels, *rest, **more)

    monkeypatch.setattr(DecisionTreeClassifier, "fit", watch)
    return seen


@pytest.fixture
def grown(monkeypatch):
    """The trees that were fitted, which the method does not keep as they are."""
    trees = []
    fit = DecisionTreeClassifier.fit
    monkeypatch.setattr(
        DecisionTreeClassifier, "fit", lambda self, x, y: trees.append(self) or fit(self, x, y)
    )
    return trees


@pytest.mark.parametrize(
    ("least", "expected"), [(1, [15, 15, 15]), (20, [20, 20, 15]), (50, [50, 30, 15])]
)
def test_trees_see_classes_about_equally_often(watched, least, expected):
    labels = np.repeat([0, 1, 2], [100, 30, 15])
    train = samples(chains(np.random.default_rng(0), 145), labels)
    ensemble(labels, least=least).fit(train, train)
    assert [counts.tolist() for counts in watched] == [expected] * 8


def test_a_class_that_is_taken_whole_is_there_once_each(monkeypatch):
    labels = np.repeat([0, 1], [60, 12])
    train = samples(chains(np.random.default_rng(1), 72), labels)
    found = ensemble(labels, least=12, trees=3)
    rows = []
    fit = DecisionTreeClassifier.fit
    monkeypatch.setattr(
        DecisionTreeClassifier, "fit", lambda self, x, y: rows.append(x[y == 1]) or fit(self, x, y)
    )
    found.fit(train, train)
    whole = found._features(train)[60:]
    assert all((abs(of_tree - whole)).sum() == 0 for of_tree in rows)


def test_hardness_is_the_mean_of_the_trees_so_far(monkeypatch, grown):
    labels = np.repeat([0, 1], [80, 10])
    train = samples(chains(np.random.default_rng(2), 90), labels)
    found = ensemble(labels, least=10, trees=4)
    seen = []
    module = "bench.methods.self_paced_ensemble.draw_probabilities"

    def watch(hardness, **settings):
        seen.append((hardness, settings["alpha"]))
        return draw_probabilities(hardness, **settings)

    monkeypatch.setattr(module, watch)
    found.fit(train, train)
    features = found._features(train)[:80]
    assert (seen[0][0] == 1).all()
    for place, (hardness, alpha) in enumerate(seen[1:], start=1):
        p = np.mean([tree.predict_proba(features)[:, 0] for tree in grown[:place]], axis=0)
        assert hardness == pytest.approx(1 - p)
        assert alpha == self_paced_alpha(place, 4)


def test_logits_are_the_mean_with_one_more_tree_that_knows_nothing(grown):
    labels = np.repeat([0, 2], [40, 10])  # class 1 is not there
    train = samples(chains(np.random.default_rng(3), 50), labels)
    found = ensemble(labels)
    found.fit(train, train)
    features = found._features(train)
    p = np.zeros((50, 3))
    p[:, [0, 2]] = np.mean([tree.predict_proba(features) for tree in grown], axis=0)
    logits = found.logits(train)
    assert logits == pytest.approx(np.log((8 * p + 1 / 3) / 9))
    assert np.exp(logits).sum(axis=1) == pytest.approx(np.ones(50))


@pytest.mark.parametrize("trees", [1, 2])
def test_few_trees_and_a_single_class(trees):
    labels = np.full(12, 1)
    train = samples(chains(np.random.default_rng(4), 12), labels)
    found = ensemble(labels, trees=trees)
    found.fit(train, train)
    assert (found.logits(train).argmax(axis=1) == 1).all()
