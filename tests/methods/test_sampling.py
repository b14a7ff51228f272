import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.bbn import BilateralBranch
from bench.methods.class_balanced_sampling import ClassBalancedSampling
from bench.methods.pb_sampling import ProgressivelyBalancedSampling
from bench.methods.sampling import (
    balanced_bootstrap,
    draw_by_shares,
    power_shares,
    progressive_shares,
)
from tests.methods.toy_run import on_counts, toy_run

DIGITS = 5e-7
COUNTS = np.array([100, 20, 5])

some_counts = st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(any).map(np.array)


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (1, [0.8, 0.16, 0.04]),
        (0.5, [0.598508, 0.267661, 0.133831]),
        (0, [1 / 3, 1 / 3, 1 / 3]),
        (-1, [0.038462, 0.192308, 0.769231]),
    ],
)
def test_worked_shares(power, expected):
    assert power_shares(COUNTS, power=power) == pytest.approx(expected, abs=DIGITS)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, [0.8, 0.16, 0.04]),
        (1, [0.797667, 0.160867, 0.041467]),
        (100, [0.566667, 0.246667, 0.186667]),
        (200, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_worked_progressive_shares_over_200_epochs(epoch, expected):
    assert progressive_shares(COUNTS, progress=epoch / 200) == pytest.approx(expected, abs=DIGITS)


@given(some_counts, st.floats(-2, 2), st.floats(0, 1))
def test_shares_add_up_to_1_and_leave_out_absent_classes(counts, power, progress):
    for shares in (
        power_shares(counts, power=power),
        progressive_shares(counts, progress=progress),
    ):
        assert shares.sum() == pytest.approx(1)
        assert (shares >= 0).all()
        assert ((shares == 0) == (counts == 0)).all()


@given(some_counts, st.floats(-1, 1))
def test_smaller_powers_favour_smaller_classes(counts, power):
    order = np.argsort(counts[counts > 0])
    shares = power_shares(counts, power=power)[counts > 0][order]
    assert (np.diff(shares) * np.sign(power) >= -1e-12).all()


def test_draws_follow_the_shares_and_are_even_within_a_class():
    labels = np.repeat([0, 1, 2, 3], [100, 20, 5, 10])
    shares = np.array([0.1, 0.3, 0.6, 0.0])
    drawn = draw_by_shares(labels, shares, 60_000, np.random.default_rng(0))
    found = np.bincount(labels[drawn], minlength=4) / 60_000
    assert found == pytest.approx(shares, abs=0.01)
    tail = np.bincount(drawn, minlength=135)[120:125]
    assert tail / tail.sum() == pytest.approx([0.2] * 5, abs=0.01)


def test_bootstrap_draws_every_class_present_equally_often():
    labels = np.repeat([0, 1, 3], [100, 20, 5])
    drawn = balanced_bootstrap(labels, 4, np.random.default_rng(0))
    assert np.bincount(labels[drawn], minlength=4).tolist() == [31, 31, 0, 31]


@pytest.mark.parametrize(("redraw", "same"), [("once", True), ("every_epoch", False)])
def test_class_balanced_sampling_draws_once_or_every_epoch(redraw, same):
    method = on_counts(ClassBalancedSampling, COUNTS, redraw=redraw)
    first, second = method.sample_epoch(1), method.sample_epoch(2)
    assert np.array_equal(np.sort(first), np.sort(second)) == same
    assert not np.array_equal(first, second)


def test_progressive_sampling_goes_from_the_data_to_balance():
    method = on_counts(ProgressivelyBalancedSampling, COUNTS * 100)
    labels = method.context.labels
    for epoch, progress in ((1, 0.1), (5, 0.5), (10, 1.0)):
        drawn = method.sample_epoch(epoch)
        found = np.bincount(labels[drawn]) / len(labels)
        assert len(drawn) == len(labels)
        assert found == pytest.approx(progressive_shares(COUNTS, progress=progress), abs=0.02)
    assert np.array_equal(method.sample_epoch(5), method.sample_epoch(5))
    assert not np.array_equal(method.sample_epoch(9), method.sample_epoch(10))


def test_progressive_sampling_learns():
    assert (
        toy_run(ProgressivelyBalancedSampling, epochs=8).train().best_valid_balanced_accuracy > 0.9
    )


def test_bilateral_epoch_visits_each_sample_and_draws_as_many_for_the_tail():
    method = on_counts(BilateralBranch, COUNTS * 100)
    order = method.sample_epoch(1)
    labels = method.context.labels
    assert np.array_equal(np.sort(order[0::2]), np.arange(len(labels)))
    found = np.bincount(labels[order[1::2]]) / len(labels)
    assert found == pytest.approx([0.038462, 0.192308, 0.769231], abs=0.02)


def test_a_bootstrap_draws_with_replacement_from_classes_of_every_size():
    labels = np.repeat([0, 1], [1000, 10])
    drawn = balanced_bootstrap(labels, 2, np.random.default_rng(0))
    large, small = drawn[:505], drawn[505:]
    assert (labels[large] == 0).all()
    # Of n samples, m draws hit n (1 - (1 - 1 / n) ^ m): 397 of 1,000 here, deviation below 10.
    assert len(np.unique(large)) == pytest.approx(397, abs=40)
    assert np.unique(small).tolist() == list(range(1000, 1010))
