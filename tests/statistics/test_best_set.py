from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from bench.statistics import confidence_set


def table(means, spread=0.01, seeds=3, seed=0):
    rng = np.random.default_rng(seed)
    return np.array(means) + spread * rng.normal(size=(seeds, len(means)))


def test_two_methods_without_shared_samples_are_those_of_the_paired_t_test():
    scores = table([0.5, 0.52], seeds=6)
    group = confidence_set(scores, test_to_train=0.0)
    expected = stats.ttest_rel(scores[:, 1], scores[:, 0])
    assert group.p_values[0] == pytest.approx(expected.pvalue, abs=1e-6)
    assert (group.best, group.degrees) == (1, 5)


def p_of_equals(members, gaps, error, degrees):
    """A set of equals by SciPy, from the definition: range and lead of the best, chances added."""
    others = np.delete(np.array(gaps)[members], np.argmin(np.array(gaps)[members]))
    single = error / 2**0.5  # of one mean, as all are equally exact
    methods = len(members)
    lead = others.mean() / (single * (1 + 1 / (methods - 1)) ** 0.5)
    largest = max(others.max() / error, lead)
    p = stats.studentized_range.sf(2**0.5 * largest, methods, degrees)
    return p + (methods * stats.t.sf(largest, degrees) if methods > 2 else 0)


@pytest.mark.parametrize("means", [[0.5, 0.51, 0.515, 0.512], [0.5, 0.504, 0.52, 0.9]])
def test_every_set_with_the_best_and_a_method_is_rejected_before_the_method_is(means):
    group = confidence_set(table(means, seeds=4), test_to_train=0.0, alpha=1.0)
    others = [place for place in range(4) if place != group.best]
    for method in others:
        rest = [place for place in others if place != method]
        sets = [
            [group.best, method, *more]
            for size in range(3)
            for more in itertools.combinations(rest, size)
        ]
        expected = max(
            p_of_equals(members, group.gaps, group.errors[method], 9) for members in sets
        )
        assert group.p_values[method] == pytest.approx(min(expected, 1.0), abs=1e-6)


def test_what_a_split_does_to_all_methods_drops_out():
    scores = table([0.5, 0.52, 0.55])
    shifted = scores + np.array([[0.2], [-0.1], [0.05]])
    first, second = (confidence_set(own, test_to_train=0.2) for own in (scores, shifted))
    np.testing.assert_allclose(first.p_values, second.p_values, rtol=1e-6)


def test_shared_samples_and_test_samples_widen_the_errors():
    scores = table([0.5, 0.52, 0.55])
    plain, shared = (confidence_set(scores, test_to_train=r).errors for r in (0.0, 0.3))
    assert shared[0] == pytest.approx(plain[0] * ((1 / 3 + 0.3) / (1 / 3)) ** 0.5)
    chance = np.stack([np.eye(3)] * 3)
    wide = confidence_set(scores, chance, test_to_train=0.0)
    assert wide.errors[0] == pytest.approx((2 / 3) ** 0.5)
    assert wide.members == (0, 1, 2)
    # What overlapping test sets have in common is known, and adds certainty.
    wider = confidence_set(scores, chance, test_to_train=0.3)
    assert wider.degrees > wide.degrees == confidence_set(scores, test_to_train=0.0).degrees


def test_clear_leader_stands_alone_and_near_ones_stay():
    assert confidence_set(table([0.5, 0.9, 0.6], 0.001), test_to_train=0.2).members == (1,)
    assert confidence_set(table([0.8999, 0.9, 0.6], 0.001), test_to_train=0.2).members == (0, 1)


def test_methods_with_equal_predictions_share_the_lead():
    scores = np.repeat(table([0.5, 0.9]), 2, axis=1)
    chance = np.stack([np.kron(np.eye(2), np.ones((2, 2))) * 1e-6] * 3)
    assert confidence_set(scores, chance, test_to_train=0.2).members == (2, 3)
    assert confidence_set(np.full((3, 4), 0.5), test_to_train=0.2).members == (0, 1, 2, 3)


def test_equal_gaps_on_two_seeds_are_no_claim():
    """Differences that do not vary have a standard error of 0 by chance."""
    scores = np.array([[0.60, 0.55, 0.50], [0.62, 0.57, 0.52]])
    assert confidence_set(scores, test_to_train=0.2).members == (0, 1, 2)
    assert confidence_set(scores, np.zeros((2, 3, 3)), test_to_train=0.2).members == (0, 1, 2)


def test_methods_that_share_a_network_lend_each_other_no_certainty():
    """Copies of a method leave the verdict on others as it was, or less bold."""
    scores = table([0.5, 0.52, 0.55, 0.51], spread=0.005)
    copied = np.hstack([scores, scores[:, [0, 0, 0]]])
    alone = confidence_set(scores, test_to_train=0.2)
    clustered = confidence_set(copied, test_to_train=0.2, clusters=[0, 1, 2, 3, 0, 0, 0])
    assert clustered.degrees == alone.degrees == 6
    np.testing.assert_allclose(clustered.errors[:4], alone.errors)
    assert (np.array(clustered.p_values[:4]) >= np.array(alone.p_values) - 1e-9).all()


def test_order_of_methods_does_not_matter():
    scores = table([0.5, 0.53, 0.55, 0.52])
    order = [2, 0, 3, 1]
    group = confidence_set(scores, test_to_train=0.2)
    moved = confidence_set(scores[:, order], test_to_train=0.2)
    assert {order[place] for place in moved.members} == set(group.members)


def test_one_seed_or_one_method_gives_no_group():
    assert confidence_set(table([0.5, 0.9], seeds=1), test_to_train=0.2) is None
    assert confidence_set(table([0.5]), test_to_train=0.2) is None


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="1 that are not finite"):
        confidence_set(np.array([[0.5, np.nan]]), test_to_train=0.2)
    with pytest.raises(ValueError, match=r"\(3, 2, 2\)"):
        confidence_set(table([0.5, 0.6]), np.zeros((3, 3, 3)), test_to_train=0.2)
