from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from autorank import autorank
from scipy import stats

from bench.statistics import critical_difference, rank_methods


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    ("methods", "blocks", "expected"), [(12, 6, 6.80), (12, 30, 3.04), (8, 6, 4.29)]
)
def test_critical_difference_by_nemenyi(methods, blocks, expected):
    assert critical_difference(methods, blocks) == pytest.approx(expected, abs=0.01)


@pytest.mark.fault(46)
@pytest.mark.parametrize(("methods", "blocks"), [(12, 6), (8, 6), (5, 30)])
def test_critical_difference_equals_autoranks(methods, blocks):
    scores = np.random.default_rng(0).random((blocks, methods)) ** 9
    oracle = autorank(pd.DataFrame(scores), alpha=0.05, force_mode="nonparametric")
    assert critical_difference(methods, blocks) == pytest.approx(oracle.cd, abs=1e-3)


@pytest.mark.fault(46)
def test_difference_as_large_as_the_critical_one_has_p_alpha_in_scikit_posthocs():
    scores = np.random.default_rng(1).normal(size=(6, 12)) + np.arange(12) / 3
    ranks = rank_methods(scores)
    p = scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
    mean = np.array(ranks.mean_ranks)
    apart = np.abs(mean[:, None] - mean)
    np.testing.assert_array_equal(p < 0.05, apart > ranks.critical_difference)
    scaled = 2**0.5 * apart / (12 * 13 / 36) ** 0.5
    np.testing.assert_allclose(
        p[np.triu_indices(12, 1)],
        stats.studentized_range.sf(scaled, 12, np.inf)[np.triu_indices(12, 1)],
        atol=1e-3,
    )


def test_ranks_and_friedmans_p():
    scores = np.array([[0.9, 0.8, 0.7], [0.9, 0.7, 0.8], [0.6, 0.6, 0.5], [0.9, 0.8, 0.1]])
    ranks = rank_methods(scores)
    assert ranks.mean_ranks == (1.125, 2.125, 2.75)
    assert ranks.friedman_p == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue)
    assert rank_methods(-scores, higher_is_better=False) == ranks


@pytest.mark.fault(50)
def test_method_with_a_hole_is_left_out_and_an_empty_block_passed_over():
    scores = np.random.default_rng(2).random((5, 4))
    scores[2, 1] = np.nan
    scores[4] = np.nan
    ranks = rank_methods(scores)
    assert (ranks.methods, ranks.left_out, ranks.blocks) == ((0, 2, 3), (1,), 4)
    assert ranks.mean_ranks == rank_methods(scores[:4, [0, 2, 3]]).mean_ranks


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.random.default_rng(3).random((6, 2)), "no test: 2 methods"),
        (np.random.default_rng(3).random((1, 5)), "no test: 5 methods on 1 complete"),
        (np.full((0, 3), np.nan), "no test: 0 methods"),
        (np.tile(np.arange(12.0), (2, 1)), "cannot tell any two methods apart"),
        (np.zeros((6, 4)), "no difference shown: Friedman's p is 1.000"),
    ],
)
def test_ranks_without_meaning_say_why(scores, words):
    ranks = rank_methods(scores)
    assert not ranks.meaningful
    assert ranks.verdict.startswith(words)


def test_clear_ranks_are_meaningful():
    assert rank_methods(np.tile(np.arange(5.0), (8, 1))).meaningful


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(N, k\)"):
        rank_methods(np.zeros(3))
    with pytest.raises(ValueError, match="two methods"):
        critical_difference(1, 5)
