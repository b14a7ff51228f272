from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import binomtest, rankdata
from sklearn import metrics as sk

from bench.errors import DataError
from bench.metrics import (
    aurocs,
    balanced_accuracy,
    balanced_f1s,
    balanced_precisions,
    brier_score,
    confusion_matrix,
    evaluate,
    expected_calibration_error,
    f1s,
    frequency_groups,
    log_loss,
    matrix_of_record,
    matrix_to_record,
    precisions,
    ranking,
    recalls,
    recalls_from_pair,
    softmax,
    wilson_interval,
)
from bench.metrics.confusion import MOST_CLASSES_IN_FULL
from bench.metrics.evaluation import classes_of_record


def pairs_of(matrix):
    """Labels and predictions that make up a confusion matrix."""
    matrix = np.asarray(matrix)
    true, predicted = np.indices(matrix.shape)
    return np.repeat(true.ravel(), matrix.ravel()), np.repeat(predicted.ravel(), matrix.ravel())


def one_hot_scores(predictions, num_classes):
    return 5.0 * np.eye(num_classes)[predictions]


@st.composite
def matrices(draw, min_classes=2, max_classes=6, min_support=0):
    size = draw(st.integers(min_classes, max_classes))
    cells = st.lists(st.integers(0, 12), min_size=size, max_size=size).filter(
        lambda row: sum(row) >= min_support
    )
    rows = draw(st.lists(cells, min_size=size, max_size=size).filter(lambda m: sum(map(sum, m))))
    return np.array(rows)


class TestWorkedNumbers:
    @pytest.mark.parametrize(
        ("matrix", "ba", "precision", "bf1"),
        [
            ([[6, 2], [1, 1]], 0.625000, [0.600000, 0.666667], 0.619048),
            ([[90, 10], [2, 3]], 0.750000, [0.692308, 0.857143], 0.744246),
            ([[2, 1, 0], [0, 1, 0], [1, 2, 3]], 0.722222, [0.8, 0.6, 1.0], 0.714646),
        ],
    )
    def test_balanced_metrics_equal_the_worked_examples(self, matrix, ba, precision, bf1):
        labels, predictions = pairs_of(matrix)
        matrix = np.array(matrix)
        np.testing.assert_array_equal(confusion_matrix(labels, predictions, len(matrix)), matrix)
        assert balanced_accuracy(labels, predictions, len(matrix)) == pytest.approx(ba, abs=1e-6)
        np.testing.assert_allclose(balanced_precisions(matrix), precision, atol=1e-6)
        assert balanced_f1s(matrix).mean() == pytest.approx(bf1, abs=1e-6)

    def test_balanced_f1_equals_the_printed_equations_with_the_right_ratio(self):
        matrix = np.array([[2, 1, 0], [0, 1, 0], [1, 2, 3]])
        support = matrix.sum(axis=1)
        expected = []
        for k in range(3):
            weighted = sum(support[k] / support[j] * matrix[j, k] for j in range(3))
            precision, recall = matrix[k, k] / weighted, matrix[k, k] / support[k]
            expected.append(2 * precision * recall / (precision + recall))
        np.testing.assert_allclose(balanced_f1s(matrix), expected, rtol=1e-12)

    @pytest.mark.fault(41)
    def test_absent_class_is_left_out_of_every_mean_and_counted(self):
        labels, predictions = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
        result = evaluate(labels, one_hot_scores(predictions, 3), np.array([3, 2, 1]))
        assert result.classes_used == 2
        assert result.balanced_accuracy == pytest.approx(0.8333, abs=1e-4)
        # Over all three classes it would be .5556, and macro F1 .60 as scikit-learn has it.
        assert sk.recall_score(
            labels, predictions, labels=[0, 1, 2], average="macro", zero_division=0
        ) == pytest.approx(0.5556, abs=1e-4)
        assert result.macro_f1 == pytest.approx(0.9)
        assert sk.f1_score(labels, predictions, average="macro") == pytest.approx(0.6)
        absent = result.per_class[2]
        assert absent.support == 0
        for name in ("recall", "recall_low", "precision", "f1", "balanced_f1", "auroc"):
            assert math.isnan(getattr(absent, name)), name
        assert result.groups["tail"].classes == (2,)
        assert result.groups["tail"].classes_used == 0
        assert math.isnan(result.groups["tail"].recall)
        assert result.auroc_classes == 2

    @pytest.mark.fault(42)
    def test_auroc_of_a_single_class_is_undefined(self):
        result = evaluate(np.zeros(4, dtype=int), np.eye(2)[[0, 1, 0, 0]], np.array([9, 1]))
        assert math.isnan(result.auroc)
        assert result.auroc_classes == 0
        assert result.balanced_accuracy == 0.75

    @pytest.mark.fault(49)
    @pytest.mark.parametrize(
        ("hits", "trials", "low", "high"), [(12, 23, 0.330, 0.708), (0, 23, 0.0, 0.143)]
    )
    def test_wilson_interval_in_small_classes(self, hits, trials, low, high):
        assert wilson_interval(hits, trials) == (
            pytest.approx(low, abs=5e-4),
            pytest.approx(high, abs=5e-4),
        )

    def test_wilson_interval_equals_the_closed_formula(self):
        z = 1.959963984540054
        for hits, trials in [(1, 3), (45, 46), (289, 289)]:
            p = hits / trials
            middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
            half = (
                z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + (z / 2 / trials) ** 2)
            )
            assert wilson_interval(hits, trials) == pytest.approx((middle - half, middle + half))

    @given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.9, 0.95]))
    def test_wilson_interval_is_that_of_scipy_to_the_bit(self, trials, share, confidence):
        hits = round(share * trials)
        theirs = binomtest(hits, trials).proportion_ci(confidence, method="wilson")
        assert wilson_interval(hits, trials, confidence) == (theirs.low, theirs.high)

    def test_wilson_interval_of_no_trials_is_nan(self):
        assert all(map(math.isnan, wilson_interval(0, 0)))


class TestAgainstScikitLearn:
    @pytest.mark.fault(43)
    def test_500_random_cases_agree(self):
        rng = np.random.default_rng(0)
        for _ in range(500):
            size = int(rng.integers(2, 8))
            count = int(rng.integers(1, 60))
            labels = rng.integers(0, size, count)
            scores = rng.normal(size=(count, size))
            if size == 2:
                scores = np.round(4 * scores) / 4  # ties, with exact differences
            self.check(labels, scores)

    @staticmethod
    def check(labels, scores):
        size = scores.shape[1]
        result = evaluate(labels, scores, np.arange(size, 0, -1))
        predictions, probabilities = scores.argmax(axis=1), softmax(scores)
        present = np.unique(labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # predicted classes that are not among the labels
            ba = sk.balanced_accuracy_score(labels, predictions)
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            labels, predictions, labels=np.arange(size), zero_division=np.nan
        )
        own = result.per_class
        assert result.balanced_accuracy == pytest.approx(ba, abs=1e-12)
        assert result.accuracy == pytest.approx(sk.accuracy_score(labels, predictions))
        assert result.log_loss == pytest.approx(
            sk.log_loss(labels, probabilities, labels=np.arange(size))
        )
        np.testing.assert_array_equal(
            result.confusion, sk.confusion_matrix(labels, predictions, labels=np.arange(size))
        )
        np.testing.assert_allclose([c.recall for c in own], recall, atol=1e-12)
        for k in present:
            np.testing.assert_allclose(own[k].precision, precision[k], atol=1e-12)
            assert own[k].f1 == pytest.approx(0 if np.isnan(f1[k]) else f1[k])
        assert result.macro_f1 == pytest.approx(
            sk.f1_score(labels, predictions, labels=present, average="macro", zero_division=0)
        )
        # Balanced F1 is macro F1 under sample weights that make the classes present equal.
        weights = 1 / np.bincount(labels, minlength=size)[labels]
        assert result.balanced_f1 == pytest.approx(
            sk.f1_score(
                labels,
                predictions,
                labels=present,
                average="macro",
                sample_weight=weights,
                zero_division=0,
            )
        )
        if size == 2 and len(present) == 2:
            assert result.brier / 2 == pytest.approx(
                sk.brier_score_loss(labels, probabilities[:, 1])
            )
            assert result.auroc == pytest.approx(sk.roc_auc_score(labels, probabilities[:, 1]))
        if size > 2 and len(present) == size:
            assert result.auroc == pytest.approx(
                sk.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"),
                abs=1e-9,
            )


@pytest.mark.fault(43)
def test_equals_torchmetrics_where_all_classes_are_present():
    functional = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(2)
    for _ in range(100):
        size = int(rng.integers(2, 8))
        labels = np.concatenate([np.arange(size), rng.integers(0, size, int(rng.integers(1, 60)))])
        scores = rng.normal(size=(len(labels), size))
        result = evaluate(labels, scores, np.arange(size, 0, -1))
        probabilities, target = torch.from_numpy(softmax(scores)), torch.from_numpy(labels)
        macro = {"num_classes": size, "average": "macro"}
        for own, oracle in (
            (result.balanced_accuracy, functional.multiclass_accuracy),
            (result.macro_f1, functional.multiclass_f1_score),
            (result.auroc, functional.multiclass_auroc),
        ):
            assert own == pytest.approx(oracle(probabilities, target, **macro).item(), abs=1e-5)
        assert result.ece == pytest.approx(
            functional.multiclass_calibration_error(
                probabilities, target, size, n_bins=15, norm="l1"
            ).item(),
            abs=1e-5,
        )


class TestInvariants:
    @given(matrices(), st.data())
    @settings(max_examples=200, deadline=None)
    def test_replicating_the_samples_of_a_class_changes_nothing(self, matrix, data):
        k = data.draw(st.integers(0, len(matrix) - 1))
        replicated = matrix.copy()
        replicated[k] *= data.draw(st.integers(2, 9))
        for metric in (recalls, balanced_precisions, balanced_f1s):
            np.testing.assert_allclose(metric(matrix), metric(replicated), atol=1e-12)

    @given(matrices(max_classes=2, min_support=1))
    @settings(max_examples=200, deadline=None)
    def test_binary_balanced_f1_follows_from_the_recalls(self, matrix):
        a = recalls(matrix).mean()
        d = np.subtract(*recalls(matrix))
        bf1 = balanced_f1s(matrix).mean()
        assert bf1 == pytest.approx((4 * a - d**2) / (4 - d**2))
        assert bf1 <= a + 1e-12
        larger, smaller = recalls_from_pair(a, bf1)
        np.testing.assert_allclose(
            [larger, smaller], sorted(recalls(matrix), reverse=True), atol=1e-6
        )

    @given(st.integers(2, 12), st.integers(1, 5))
    def test_constant_prediction(self, size, count):
        matrix = np.zeros((size, size), dtype=int)
        matrix[:, size // 2] = np.arange(count, count + size)
        assert recalls(matrix).mean() == pytest.approx(1 / size)
        assert balanced_f1s(matrix).mean() == pytest.approx(2 / (size * (1 + size)))

    @given(st.integers(2, 5), st.integers(1, 20), st.integers(0, 2**32 - 1))
    @settings(deadline=None)
    def test_balanced_test_set_gives_accuracy_and_macro_f1(self, size, count, seed):
        rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(size), count)
        result = evaluate(labels, rng.normal(size=(len(labels), size)), np.arange(size))
        assert result.balanced_accuracy == pytest.approx(result.accuracy)
        assert result.balanced_f1 == pytest.approx(result.macro_f1)

    @given(matrices())
    def test_balanced_precision_and_recall_have_balanced_f1_as_harmonic_mean(self, matrix):
        precision, recall, f1 = balanced_precisions(matrix), recalls(matrix), balanced_f1s(matrix)
        some = recall > 0
        harmonic = 2 * precision[some] * recall[some] / (precision[some] + recall[some])
        np.testing.assert_allclose(harmonic, f1[some])
        never = matrix.sum(axis=0) == 0
        present = matrix.sum(axis=1) > 0
        assert np.isnan(balanced_precisions(matrix)[never]).all()
        assert np.isnan(precisions(matrix)[never]).all()
        assert (f1[never & present] == 0).all()
        assert (f1s(matrix)[never & present] == 0).all()

    @given(st.integers(0, 2**32 - 1))
    @settings(max_examples=25, deadline=None)
    def test_order_of_samples_and_a_constant_added_to_a_row_change_nothing(self, seed):
        rng = np.random.default_rng(seed)
        labels, scores = rng.integers(0, 4, 50), rng.normal(size=(50, 4))
        order, shift = rng.permutation(50), rng.normal(size=(50, 1))
        first = evaluate(labels, scores, np.arange(4))
        second = evaluate(labels[order], (scores + shift)[order], np.arange(4))
        assert first.confusion == second.confusion
        for name in ("balanced_accuracy", "balanced_f1", "auroc", "log_loss", "brier", "ece"):
            assert getattr(first, name) == pytest.approx(getattr(second, name), abs=1e-9), name

    def test_perfect_prediction(self):
        labels = np.array([0, 0, 1, 2])
        result = evaluate(labels, one_hot_scores(labels, 3), np.array([5, 3, 1]))
        assert (result.balanced_accuracy, result.balanced_f1, result.auroc) == (1, 1, 1)


class TestScores:
    def test_equal_scores_predict_the_lowest_class(self):
        result = evaluate(np.array([0, 1, 1]), np.zeros((3, 2)), np.array([1, 2]))
        assert result.confusion == ((1, 0), (2, 0))
        assert result.auroc == 0.5

    def test_auroc_counts_ordered_pairs(self):
        rng = np.random.default_rng(1)
        labels, scores = rng.integers(0, 3, 40), rng.normal(size=(40, 3))
        scores[20:] = scores[:20]
        for k, value in enumerate(aurocs(labels, scores)):
            ranks = rankdata(softmax(scores)[:, k])
            positive = labels == k
            n, rest = positive.sum(), (~positive).sum()
            assert value == pytest.approx((ranks[positive].sum() - n * (n + 1) / 2) / (n * rest))

    @given(st.integers(0, 10**9), st.sampled_from([2, 3, 5, 29]), st.sampled_from([0.1, 3, 300]))
    def test_auroc_is_that_of_scikit_learn_to_the_bit(self, seed, classes, scale):
        """Also where scores repeat or are a permutation of others, as those of a forest."""
        rng = np.random.default_rng(seed)
        samples = int(rng.integers(2, 120))
        scores = (rng.normal(size=(samples, classes)) * scale).astype(np.float32)
        labels = rng.integers(0, classes, samples)
        for z in (scores, np.round(scores), scores[rng.integers(0, samples // 2, samples)]):
            z = z.astype(np.float64)
            expected = np.full(classes, np.nan)
            for k in range(classes):
                if 0 < (labels == k).sum() < samples:
                    odds = z[:, k] - logsumexp(np.delete(z, k, axis=1), axis=1)
                    expected[k] = sk.roc_auc_score(labels == k, odds)
            np.testing.assert_array_equal(aurocs(labels, z), expected)

    def test_auroc_of_many_classes_sums_once_and_not_for_each(self, monkeypatch):
        sizes = []
        monkeypatch.setattr(
            ranking, "logsumexp", lambda z, axis: sizes.append(z.size) or logsumexp(z, axis=axis)
        )
        scores = np.random.default_rng(0).normal(size=(400, 200))
        aurocs(np.arange(400) % 200, scores)
        assert sum(sizes) < 2 * scores.size

    def test_extreme_logits_stay_finite_and_keep_their_order(self):
        labels = np.array([0, 1, 1, 0])
        scores = np.array([[1e4, -1e4], [1e4, 9e3], [1e4, 9.5e3], [1e4, 0.0]])
        result = evaluate(labels, scores, np.array([2, 1]))
        assert result.auroc == 1.0
        assert result.log_loss == pytest.approx((1000 + 500) / 4)

    def test_calibration_error_by_hand(self):
        probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.35, 0.65]])
        labels = np.array([0, 1, 0, 1])
        # .9 twice (one right), .6 (right: upper edge of its bin, as 9/15), .65 (right).
        expected = (abs(1 - 1.8) + abs(1 - 0.6) + abs(1 - 0.65)) / 4
        assert expected_calibration_error(labels, probabilities) == pytest.approx(expected)

    def test_calibration_bins_are_closed_above(self):
        probabilities = np.array([[0.6, 0.4], [0.55, 0.45]])  # both in (8/15, 9/15]
        assert expected_calibration_error(np.array([1, 0]), probabilities) == pytest.approx(
            abs(1 - 1.15) / 2
        )

    def test_brier_and_log_loss_by_hand(self):
        probabilities = np.array([[0.7, 0.2, 0.1]])
        assert brier_score(np.array([1]), probabilities) == pytest.approx(0.49 + 0.64 + 0.01)
        # Worked example of cross-entropy: z = (2, 1, -1), class 0.
        assert log_loss(np.array([0]), np.array([[2.0, 1.0, -1.0]])) == pytest.approx(
            0.349012, abs=1e-6
        )

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_score_that_is_not_finite_is_named(self, value):
        scores = np.zeros((5, 3))
        scores[3, 1] = scores[4, 0] = value
        with pytest.raises(DataError, match=rf"got {value} for sample 3, class 1 \(2 of 5"):
            evaluate(np.zeros(5, dtype=int), scores, np.ones(3))

    @pytest.mark.parametrize(
        ("labels", "scores", "counts", "words"),
        [
            (np.array([0, 3]), np.zeros((2, 3)), np.ones(3), r"labels in 0\.\.2"),
            (np.array([0, -1]), np.zeros((2, 3)), np.ones(3), r"labels in 0\.\.2"),
            (np.array([0]), np.zeros((2, 3)), np.ones(3), "at least one sample"),
            (np.array([], dtype=int), np.zeros((0, 3)), np.ones(3), "at least one sample"),
            (np.array([0, 1]), np.zeros((2, 3)), np.ones(2), "3 training counts"),
        ],
    )
    def test_arrays_that_do_not_fit_are_refused(self, labels, scores, counts, words):
        with pytest.raises(ValueError, match=words):
            evaluate(labels, scores, counts)


class TestGroups:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [(2, (1, 0, 1)), (3, (1, 1, 1)), (5, (2, 1, 2)), (10, (3, 4, 3)), (29, (9, 11, 9))],
    )
    def test_sizes(self, size, expected):
        groups = frequency_groups(np.arange(size, 0, -1))
        assert tuple(map(len, groups.values())) == expected
        assert list(np.concatenate(list(groups.values()))) == list(range(size))

    def test_order_is_by_training_count_then_by_class(self):
        groups = frequency_groups(np.array([5, 9, 5, 9, 1, 5, 5, 5, 5, 7]))
        assert [g.tolist() for g in groups.values()] == [[1, 3, 9], [0, 2, 5, 6], [7, 8, 4]]

    def test_binary_middle_is_empty_and_said_to_be(self):
        labels = np.array([0, 0, 1])
        result = evaluate(labels, one_hot_scores([0, 1, 1], 2), np.array([1, 30]))
        assert result.groups["head"].recall == 1.0
        assert result.groups["tail"].recall == 0.5
        assert result.groups["middle"].classes == ()
        assert result.to_json()["groups"]["middle"]["recall"] is None


def test_json_is_strict_and_keeps_full_precision():
    result = evaluate(np.array([0, 0, 0, 1]), np.eye(3)[[0, 0, 2, 1]], np.array([3, 2, 1]))
    text = json.dumps(result.to_json(), allow_nan=False)
    read = json.loads(text)
    assert read["per_class"][2]["recall"] is None
    assert read["balanced_accuracy"] == result.balanced_accuracy
    assert read["confusion"] == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_a_record_gives_every_class_back_as_it_was():
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7], [0.6, 0.4, 0.0]])
    counts = np.array([30, 2, 1])
    result = evaluate(np.array([0, 0, 0, 1]), scores, counts)
    record = {**result.to_record(), "data": {"train_counts": counts.tolist()}}
    assert record["per_class"].keys() == {"auroc"}
    assert repr(classes_of_record(json.loads(json.dumps(record)))) == repr(result.per_class)


class TestRecallsFromPair:
    def test_infeasible_pairs_have_none(self):
        assert recalls_from_pair(0.80, 0.81) is None  # BF1 above BA
        assert recalls_from_pair(0.81, 0.7987) is None  # a recall above 1
        assert recalls_from_pair(0.2, 0.01) is None  # a recall below 0
        assert recalls_from_pair(1.2, 0.9) is None

    def test_extremes(self):
        assert recalls_from_pair(1.0, 1.0) == (1.0, 1.0)
        assert recalls_from_pair(0.5, 1 / 3) == pytest.approx((1.0, 0.0))

    @given(st.floats(0, 1), st.floats(0, 1))
    def test_a_real_pair_stays_feasible_when_printed_with_two_decimals(self, first, second):
        a, d = (first + second) / 2, first - second
        printed = [round(100 * v, 2) / 100 for v in (a, (4 * a - d * d) / (4 - d * d))]
        assert recalls_from_pair(*printed, rounding=0.00005) is not None


class TestRecordedMatrix:
    @pytest.mark.parametrize("classes", [2, MOST_CLASSES_IN_FULL, MOST_CLASSES_IN_FULL + 1])
    def test_what_is_recorded_is_read_again(self, classes):
        rng = np.random.default_rng(0)
        matrix = confusion_matrix(*rng.integers(0, classes, (2, 500)), classes)
        recorded = json.loads(json.dumps(matrix_to_record(matrix)))
        assert isinstance(recorded, list) == (classes <= MOST_CLASSES_IN_FULL)
        np.testing.assert_array_equal(matrix_of_record(recorded), matrix)

    def test_a_record_of_many_classes_grows_with_samples_alone(self):
        labels = np.arange(600)
        # Scores that all differ: ties cost a comparison of their own for each class.
        scores = np.eye(600) + np.random.default_rng(0).uniform(0, 0.5, (600, 600))
        record = evaluate(labels, scores, np.ones(600, int)).to_record()
        assert record["confusion"]["cells"][:2] == [[0, 0, 1], [1, 1, 1]]
        assert len(json.dumps(record)) < 500 * 600

    def test_a_cell_outside_is_refused(self):
        with pytest.raises(ValueError, match="outside"):
            matrix_of_record({"classes": 300, "cells": [[0, 300, 1]]})
