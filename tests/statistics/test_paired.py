from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.metrics import balanced_accuracy
from bench.statistics import corrected_resampled_t, paired_bootstrap, paired_by_seed


def run(seed, counts=(300, 40), right=((0.8, 0.6), (0.8, 0.75))):
    """Labels, and what each of two methods gets right."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], counts)
    return labels, *(rng.random(len(labels)) < np.array(shares)[labels] for shares in right)


def bootstrap(runs, **settings):
    labels, a, b = zip(*runs, strict=True)
    return paired_bootstrap(a, b, labels, seed=0, **settings)


def test_bootstrap_difference_is_that_of_balanced_accuracy():
    runs = [run(seed) for seed in range(3)]
    expected = [
        balanced_accuracy(labels, np.where(a, labels, 1 - labels), 2)
        - balanced_accuracy(labels, np.where(b, labels, 1 - labels), 2)
        for labels, a, b in runs
    ]
    assert bootstrap(runs).mean == pytest.approx(np.mean(expected), abs=1e-12)


def test_bootstrap_equals_one_that_draws_samples():
    labels, a, b = run(1)
    rng = np.random.default_rng(5)
    drawn = np.zeros(20_000)
    for k in (0, 1):
        own = np.flatnonzero(labels == k)
        picked = own[rng.integers(0, len(own), (20_000, len(own)))]
        drawn += (a[picked].mean(axis=1) - b[picked].mean(axis=1)) / 2
    difference = bootstrap([(labels, a, b)], repeats=20_000)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert difference.low == pytest.approx(low, abs=0.005)
    assert difference.high == pytest.approx(high, abs=0.005)


def test_bootstrap_turns_its_sign_with_the_order_and_repeats_itself():
    runs = [run(2), run(3)]
    difference = bootstrap(runs)
    assert bootstrap(runs) == difference
    assert bootstrap([(y, b, a) for y, a, b in runs]).mean == -difference.mean


def test_equal_methods_do_not_differ_and_p_is_never_0():
    labels, a, _ = run(4)
    assert bootstrap([(labels, a, a)]) == type(bootstrap([(labels, a, a)]))(0.0, 0.0, 0.0, 1.0)
    apart = bootstrap([(labels, labels == labels, labels != labels)])
    assert (apart.mean, apart.p) == (1.0, pytest.approx(2 / 2001))


def test_bootstrap_keeps_its_level():
    low = [bootstrap([run(seed, right=((0.8, 0.6),) * 2)], repeats=500).p for seed in range(400)]
    assert np.mean(np.array(low) <= 0.05) < 0.09


def test_runs_that_do_not_fit_are_refused():
    labels, a, b = run(0)
    for wrong in ([(labels, a, b[1:])], [(labels[:0], a[:0], b[:0])]):
        with pytest.raises(ValueError, match=r"three arrays \(M,\)"):
            bootstrap(wrong)
    with pytest.raises(ValueError, match=r"three arrays \(M,\)"):
        paired_bootstrap([], [], [], seed=0)


@pytest.mark.fault(47)
def test_corrected_t_of_five_times_five_folds():
    z = np.random.default_rng(0).normal(size=25)
    differences = 0.01 + 0.02 * (z - z.mean()) / z.std(ddof=1)
    assert corrected_resampled_t(differences, 1 / 4).statistic == pytest.approx(0.928, abs=5e-4)
    # What must not be used for splits of the same data.
    assert corrected_resampled_t(differences, 0).statistic == pytest.approx(2.5)
    assert corrected_resampled_t(differences, 0).p == pytest.approx(
        stats.ttest_1samp(differences, 0).pvalue
    )


def test_corrected_t_needs_two_splits_and_takes_equal_ones():
    with pytest.raises(ValueError, match="two splits"):
        corrected_resampled_t([0.1], 0.25)
    assert corrected_resampled_t([0.5, 0.5], 0.25).statistic == math.inf
    assert math.isnan(corrected_resampled_t([0.0, 0.0], 0.25).p)


@pytest.mark.fault(45)
@pytest.mark.parametrize(("n", "p"), [(1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_seeds_give_no_p_below_what_their_number_allows(n, p):
    difference = paired_by_seed(np.arange(n) + 0.9, np.zeros(n))
    assert difference.p == pytest.approx(p)
    assert difference.smallest_p == p


def test_seeds_give_effect_size_and_corrected_interval():
    a, b = [0.71, 0.75, 0.74, 0.72], [0.70, 0.71, 0.72, 0.71]
    differences = np.subtract(a, b)
    difference = paired_by_seed(a, b, test_to_train=2 / 7)
    corrected = corrected_resampled_t(differences, 2 / 7)
    assert (difference.low, difference.high) == (corrected.low, corrected.high)
    assert difference.effect_size == pytest.approx(
        (1 - 3 / 11) * differences.mean() / differences.std(ddof=1)
    )
    with pytest.raises(ValueError, match="same seeds"):
        paired_by_seed(a, b[1:])
