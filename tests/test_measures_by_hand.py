"""Each measure on ten rows worked out by hand, beside other packages, and what must always hold."""

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from bench.metrics import (
    average_precisions,
    bedroc,
    classwise_calibration_error,
    count_groups,
    enrichment_factor,
    evaluate,
    geometric_mean,
    matthews_correlation,
    ranking,
    rarest_class,
    recalls,
)
from bench.metrics.evaluation import ADDED, FIGURES, LOWER_IS_BETTER, figure_named

# Ten rows: the probability of class 1, the rare one, and whether it is that.
SHARES = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05])
RARE = np.array([1, 0, 1, 0, 0, 1, 0, 0, 0, 0])
LOGITS = np.log(np.stack([1 - SHARES, SHARES], axis=1))
COUNTS = np.array([101, 19])


def test_ten_rows_by_hand():
    """Places 1, 3 and 6 are rare; from 0.5 on five are called rare, two of them rightly."""
    figures = evaluate(RARE, LOGITS, COUNTS)
    assert figures.average_precision_rare == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)
    # Of the other class places 1 to 4 are right, then 6 and 7, then 9.
    other = (4 + 5 / 6 + 6 / 7 + 7 / 9) / 7
    assert figures.average_precision == pytest.approx((13 / 18 + other) / 2)
    assert figures.mcc == pytest.approx((2 * 4 - 3 * 1) / math.sqrt(5 * 3 * 7 * 5))
    assert figures.g_mean == pytest.approx(math.sqrt(2 / 3 * 4 / 7))
    assert figures.precision_rare == pytest.approx(2 / 5)
    assert figures.recall_rare == pytest.approx(2 / 3)
    assert figures.f1_rare == pytest.approx(1 / 2)
    # The first percent of ten is one sample, and it is rare; by chance it is so in 3 of 10.
    assert figures.enrichment_1pct == pytest.approx(10 / 3)
    weight = [math.exp(-2 * place) for place in range(11)]
    low = weight[8] + weight[9] + weight[10]
    expected = (weight[1] + weight[3] + weight[6] - low) / (sum(weight[1:4]) - low)
    assert figures.bedroc == pytest.approx(expected)
    assert figures.bedroc == pytest.approx(0.8827, abs=5e-5)
    right = [0.95, 0.1, 0.8, 0.3, 0.4, 0.4, 0.7, 0.8, 0.9, 0.95]
    assert figures.log_loss == pytest.approx(-sum(map(math.log, right)) / 10)
    # Each row is alone in its bin, so that the gaps are 1 minus the probability of the truth.
    assert figures.ece_class == pytest.approx(sum(1 - share for share in right) / 10)
    assert (figures.recall_many, figures.recall_few) == (4 / 7, 2 / 3)
    assert math.isnan(figures.recall_medium)


def test_ten_rows_of_three_classes_by_hand():
    matrix = np.array([[2, 1, 0], [0, 3, 1], [1, 0, 2]])
    assert matthews_correlation(matrix) == pytest.approx((7 * 10 - 34) / (100 - 34))
    assert geometric_mean(recalls(matrix)) == pytest.approx((2 / 3 * 3 / 4 * 2 / 3) ** (1 / 3))


def test_class_wise_calibration_by_hand():
    """Two rows of a bin count together: 0.52 and 0.53 with one of them right are off by 0.025."""
    shares = np.array([0.52, 0.53])
    both = np.stack([1 - shares, shares], axis=1)
    assert classwise_calibration_error(np.array([0, 1]), both) == pytest.approx(0.025)
    # A class that nobody has should have probability 0: here a third of 0.3.
    three = np.array([[0.7, 0.0, 0.3]])
    assert classwise_calibration_error(np.array([0]), three) == pytest.approx((0.3 + 0.3) / 3)


def test_ties_at_the_border_of_a_percent_count_by_their_share():
    member, scores = RARE.astype(bool), SHARES.copy()
    scores[1] = scores[0]  # one of the two first is rare
    assert enrichment_factor(member, scores) == pytest.approx(10 / 3 / 2)
    assert enrichment_factor(member, scores, 20) == pytest.approx(1 / 2 * 10 / 3)
    scores[:] = 1
    assert enrichment_factor(member, scores) == pytest.approx(1)


def test_a_tie_is_the_mean_over_its_orders():
    scoring = pytest.importorskip("rdkit.ML.Scoring.Scoring")
    member = np.array([1, 0, 0, 1, 0, 1, 0, 0], dtype=bool)
    scores = np.array([3, 3, 3, 2, 2, 1, 1, 0], dtype=float)
    orders = [
        [*first, *second, *third, 7]
        for first in itertools.permutations(range(3))
        for second in itertools.permutations((3, 4))
        for third in itertools.permutations((5, 6))
    ]
    lists = [[[bool(member[i])] for i in order] for order in orders]
    mean = np.mean([scoring.CalcBEDROC(rows, 0, 20) for rows in lists])
    assert bedroc(member, scores) == pytest.approx(mean)
    mean = np.mean([scoring.CalcEnrichment(rows, 0, [0.25])[0] for rows in lists])
    assert enrichment_factor(member, scores, 25) == pytest.approx(mean)


@pytest.mark.parametrize("samples", [10, 150, 200, 1234])
def test_early_recognition_is_that_of_rdkit(samples):
    scoring = pytest.importorskip("rdkit.ML.Scoring.Scoring")
    rng = np.random.default_rng(samples)
    for rare in (1, 3, samples // 3):
        scores = rng.permutation(samples).astype(float)
        member = np.isin(scores, rng.choice(samples, rare, replace=False))
        rows = [[bool(one)] for one in member[np.argsort(-scores)]]
        assert bedroc(member, scores) == pytest.approx(scoring.CalcBEDROC(rows, 0, 20))
        [expected] = scoring.CalcEnrichment(rows, 0, [0.01])
        assert enrichment_factor(member, scores) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_figures_are_those_of_scikit_learn(classes):
    rng = np.random.default_rng(classes)
    for rounding in (8, 0):
        labels = rng.integers(0, classes, 150)
        scores = np.round(rng.normal(size=(150, classes)) + np.eye(classes)[labels], rounding)
        counts = rng.permutation(classes) + 1
        figures, found = evaluate(labels, scores, counts), scores.argmax(axis=1)
        assert figures.mcc == pytest.approx(sk.matthews_corrcoef(labels, found))
        rare = int(np.argmin(counts))
        assert figures.f1_rare == pytest.approx(sk.f1_score(labels == rare, found == rare))
        assert figures.recall_rare == pytest.approx(sk.recall_score(labels == rare, found == rare))
        assert figures.precision_rare == pytest.approx(
            sk.precision_score(labels == rare, found == rare)
        )
        odds = [
            scores[:, k] - logsumexp(np.delete(scores, k, axis=1), axis=1) for k in range(classes)
        ]
        expected = [sk.average_precision_score(labels == k, odds[k]) for k in range(classes)]
        np.testing.assert_allclose(average_precisions(labels, scores), expected, rtol=1e-12)
        assert figures.average_precision == pytest.approx(np.mean(expected))


def test_the_geometric_mean_is_that_of_imbalanced_learn():
    score = pytest.importorskip("imblearn.metrics").geometric_mean_score
    rng = np.random.default_rng(0)
    for classes in (2, 3, 7):
        labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 60)])
        scores = rng.normal(size=(len(labels), classes)) + 2 * np.eye(classes)[labels]
        expected = score(labels, scores.argmax(axis=1), average="multiclass")
        assert evaluate(labels, scores, np.ones(classes, int)).g_mean == pytest.approx(expected)


class TestWhatCannotBeComputed:
    def test_it_is_missing_and_not_zero(self):
        three = evaluate(np.array([0, 1, 2]), np.eye(3), np.array([3, 2, 1])).to_record()["metrics"]
        assert three["bedroc"] is three["enrichment_1pct"] is three["recall_many"] is None
        one = evaluate(np.array([0, 0]), np.eye(2), np.array([3, 1])).to_record()["metrics"]
        for name in ("mcc", "recall_rare", "f1_rare", "bedroc", "average_precision_rare"):
            assert one[name] is None
        assert one["average_precision"] == 1
        never = evaluate(np.array([0, 1]), -np.eye(2)[[1, 1]], np.array([3, 1]))
        assert math.isnan(never.precision_rare)
        assert (never.f1_rare, never.recall_rare, never.mcc, never.g_mean) == (0, 0, 0, 0)

    def test_members_alone_and_none_have_no_place(self):
        for member in (np.ones(3, bool), np.zeros(3, bool)):
            assert math.isnan(bedroc(member, np.arange(3.0)))
            assert math.isnan(enrichment_factor(member, np.arange(3.0)))
        assert math.isnan(geometric_mean(np.array([np.nan])))


def test_groups_by_counts():
    groups = count_groups(np.array([101, 100, 20, 19, 0, 5000]))
    assert {name: found.tolist() for name, found in groups.items()} == {
        "many": [0, 5], "medium": [1, 2], "few": [3, 4],
    }  # fmt: skip


def test_the_rarest_class_is_the_last_of_equal_ones():
    assert rarest_class(np.array([5, 2, 9, 2])) == 3
    assert rarest_class(np.array([1, 2, 9, 2])) == 0


@st.composite
def tables(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10**9)))
    classes, samples = draw(st.sampled_from([2, 3, 9])), draw(st.integers(1, 80))
    scores = rng.normal(size=(samples, classes)) * draw(st.sampled_from([0.1, 3, 100]))
    if draw(st.booleans()):
        scores = np.round(scores)
    return rng.integers(0, classes, samples), scores, rng.integers(0, 200, classes), rng


class TestAlways:
    @given(tables())
    def test_figures_stay_in_their_ranges(self, table):
        labels, scores, counts, _ = table
        metrics = evaluate(labels, scores, counts).to_record()["metrics"]
        assert set(ADDED) <= metrics.keys()
        for name in ADDED:
            low, high = {"mcc": (-1, 1), "enrichment_1pct": (0, len(labels))}.get(name, (0, 1))
            assert metrics[name] is None or low <= metrics[name] <= high + 1e-12, name

    @given(tables())
    def test_the_order_of_samples_does_not_matter(self, table):
        labels, scores, counts, rng = table
        order = rng.permutation(len(labels))
        one = evaluate(labels, scores, counts).to_record()["metrics"]
        other = evaluate(labels[order], scores[order], counts).to_record()["metrics"]
        for name in ADDED:
            assert one[name] == pytest.approx(other[name], abs=1e-12)

    @given(st.integers(2, 60), st.integers(1, 59))
    def test_equal_scores_are_chance(self, samples, rare):
        labels = (np.arange(samples) < min(rare, samples - 1)).astype(int)
        figures = evaluate(labels, np.zeros((samples, 2)), np.array([2, 1]))
        assert figures.enrichment_1pct == pytest.approx(1)
        assert figures.average_precision_rare == pytest.approx(labels.mean())

    @given(tables())
    def test_one_figure_alone_is_that_of_all(self, table):
        labels, scores, counts, _ = table
        metrics = evaluate(labels, scores, counts).to_record()["metrics"]
        for name in FIGURES:
            value = figure_named(name, labels, scores, counts)
            assert (None if math.isnan(value) else value) == metrics[name]

    def test_every_figure_has_a_side_that_is_better(self):
        assert set(FIGURES) > LOWER_IS_BETTER
        counts = {"samples", "classes_used", "auroc_classes"}
        metrics = evaluate(RARE, LOGITS, COUNTS).to_record()["metrics"]
        assert metrics.keys() - counts == set(FIGURES)


class TestManyClasses:
    @pytest.mark.parametrize("classes", [2, 3, 128, 129, 130, 137, 300, 517])
    def test_sums_without_a_class_have_the_bits_of_logsumexp(self, classes):
        rng = np.random.default_rng(classes)
        for scores in (
            rng.normal(size=(12, classes)) * 9,
            np.log(np.clip(rng.multinomial(20, np.ones(classes) / classes, 12), 1e-6, None)),
            np.zeros((12, classes)),
        ):
            others, rows = ranking._Others(scores), np.array([0, 3, 4, 11])
            for k in {0, 1, classes // 2, classes - 1}:
                expected = logsumexp(np.delete(scores[rows], k, axis=1), axis=1)
                np.testing.assert_array_equal(others.logsumexp(rows, k), expected)

    def test_scores_that_repeat_are_not_summed_for_every_class(self, monkeypatch):
        """2,000 classes whose scores were all equal took 84 seconds."""
        sizes = []
        monkeypatch.setattr(
            ranking, "logsumexp", lambda z, axis: sizes.append(z.size) or logsumexp(z, axis=axis)
        )
        assert evaluate(np.arange(300), np.eye(300), np.ones(300, int)).auroc == 1
        assert sum(sizes) < 3 * 300**2
