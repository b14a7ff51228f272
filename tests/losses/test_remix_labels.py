import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.losses.remix import remix_label_shares

SHARES = st.floats(0, 1)
COUNTS = st.integers(0, 10**6)


def share(lam, own, partner, kappa=3.0, tau=0.5):
    shares = remix_label_shares(
        lam, torch.tensor([own]), torch.tensor([partner]), kappa=kappa, tau=tau
    )
    return shares.item()


@pytest.mark.parametrize(
    ("lam", "own", "partner", "expected"),
    [
        (0.3, 100, 20, 0),
        (0.7, 100, 20, 0.7),
        (0.7, 5, 20, 1),
        (0.3, 5, 20, 0.3),
        (0.3, 20, 20, 0.3),
    ],
)
def test_worked_numbers(lam, own, partner, expected):
    assert share(lam, own, partner) == expected


@pytest.mark.parametrize(("own", "partner", "expected"), [(60, 20, 0), (59, 20, 0.3)])
def test_the_ratio_may_equal_kappa(own, partner, expected):
    assert share(0.3, own, partner) == expected


@pytest.mark.parametrize(("lam", "own", "partner"), [(0.5, 100, 20), (0.5, 20, 100)])
def test_a_share_of_tau_keeps_its_label(lam, own, partner):
    assert share(lam, own, partner) == lam


@given(SHARES, COUNTS, COUNTS)
def test_infinite_kappa_or_no_tau_is_mixup(lam, own, partner):
    assert share(lam, own, partner, kappa=math.inf) == lam
    assert share(lam, own, partner, tau=0.0) == lam


@given(SHARES, COUNTS, COUNTS, st.floats(1.1, 100), SHARES)
def test_only_the_smaller_class_gains(lam, own, partner, kappa, tau):
    found = share(lam, own, partner, kappa=kappa, tau=tau)
    if own > partner:
        assert found in (0, lam)
    elif own < partner:
        assert found in (lam, 1)


@given(SHARES, COUNTS.filter(bool), COUNTS.filter(bool))
def test_both_samples_of_a_pair_agree_on_the_label(lam, own, partner):
    # Seen from the partner, the same mixture has share 1 - lam; equal up to rounding of 1 - lam.
    lam = round(lam, 3)
    assert share(lam, own, partner) == pytest.approx(1 - share(1 - lam, partner, own))


def test_every_sample_is_judged_by_its_own_pair():
    shares = remix_label_shares(
        0.3, torch.tensor([100, 100, 5]), torch.tensor([20, 100, 20]), kappa=3.0, tau=0.5
    )
    assert shares.tolist() == [0, 0.3, 0.3]
