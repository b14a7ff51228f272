from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from autorank import autorank
from scipy import stats

from bench.statistics import critical_difference
from bench.statistics import rank_methods as ranks_over


def rank_methods(scores, datasets=None, **settings):
    """Each row is another data set, if nothing else is said."""
    return ranks_over(scores, range(len(scores)) if datasets is None else datasets, **settings)


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


def test_ranks_and_the_p_of_iman_and_davenport_by_hand():
    scores = np.array(
        [[0.9, 0.8, 0.7], [0.9, 0.7, 0.8], [0.6, 0.6, 0.5], [0.9, 0.8, 0.1], [0.3, 0.2, 0.4]]
    )
    ranks = rank_methods(scores)
    assert ranks.mean_ranks == (1.3, 2.3, 2.4)
    chi2 = stats.friedmanchisquare(*scores.T).statistic
    assert ranks.p == pytest.approx(stats.f.sf(4 * chi2 / (10 - chi2), 2, 8))
    assert rank_methods(-scores, higher_is_better=False) == ranks


def test_p_of_iman_and_davenport_in_demsars_example():
    """Demsar 2006, section 3.2.2: four methods on 14 data sets, chi2 9.28, F 3.69."""
    chi2, datasets, methods = 9.28, 14, 4
    statistic = (datasets - 1) * chi2 / (datasets * (methods - 1) - chi2)
    assert statistic == pytest.approx(3.69, abs=0.005)
    # Ranks with this chi2: searched for among drawn ones, and the p of the formula above.
    rng = np.random.default_rng(0)
    scores = min(
        (rng.normal(size=(14, 4)) + np.arange(4) / 3 for _ in range(300)),
        key=lambda own: abs(stats.friedmanchisquare(*own.T).statistic - chi2),
    )
    assert rank_methods(scores).p == pytest.approx(stats.f.sf(3.69, 3, 39), abs=1e-3)


def test_splits_of_a_data_set_are_averaged():
    scores = np.array([[0.9, 0.1, 0.5], [0.1, 0.5, 0.4], [0.2, 0.3, 0.1]])
    ranks = rank_methods(scores, ["a", "a", "b"])
    assert ranks.datasets == 2
    assert ranks.mean_ranks == rank_methods(np.array([[0.5, 0.3, 0.45], scores[2]])).mean_ranks


TABLES = 400


def rejected(between, within, datasets, *, averaged):
    """Share of tables of equal methods with a claim; splits of a data set correlate by `within`."""
    rng = np.random.default_rng(5)
    names = [number for number in range(datasets) for _ in range(2)]
    claims = []
    for _ in range(TABLES):
        common = rng.normal(size=(datasets, 1, between))
        own = rng.normal(size=(datasets, 2, between))
        scores = (within**0.5 * common + (1 - within) ** 0.5 * own).reshape(-1, between)
        ranks = rank_methods(scores, names if averaged else None)
        claims.append(ranks.p is not None and ranks.p <= 0.05)
    return np.mean(claims)


@pytest.mark.parametrize("within", [0.0, 0.9])
@pytest.mark.parametrize("datasets", [3, 5, 8])
def test_equal_methods_are_rarely_ranked_apart_however_alike_splits_are(datasets, within):
    share = rejected(17, within, datasets, averaged=True)
    assert share <= 0.08
    assert (share == 0) == (datasets < 5)


def test_two_splits_as_two_blocks_would_reject_equal_methods_far_too_often():
    assert rejected(17, 0.9, 6, averaged=False) > 0.3


@pytest.mark.fault(50)
def test_method_with_a_hole_is_left_out_and_an_empty_block_passed_over():
    scores = np.random.default_rng(2).random((5, 4))
    scores[2, 1] = np.nan
    scores[4] = np.nan
    ranks = rank_methods(scores)
    assert (ranks.methods, ranks.left_out, ranks.datasets) == ((0, 2, 3), (1,), 4)
    assert ranks.mean_ranks == rank_methods(scores[:4, [0, 2, 3]]).mean_ranks


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.random.default_rng(3).random((6, 2)), "too few methods for a test: 2"),
        (np.tile(np.arange(5.0), (4, 1)), "too few data sets for a test: 4, and 5 are the least"),
        (np.full((0, 3), np.nan), "too few data sets for a test: 0"),
        (np.zeros((6, 4)), "no difference shown: p is 1.000"),
    ],
)
def test_ranks_without_meaning_say_why(scores, words):
    ranks = rank_methods(scores)
    assert not ranks.meaningful
    assert ranks.verdict.startswith(words)


def test_clear_ranks_are_meaningful():
    assert rank_methods(np.tile(np.arange(5.0), (8, 1))).meaningful


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(n, k\)"):
        rank_methods(np.zeros(3))
    with pytest.raises(ValueError, match=r"\(3, 2\) and 2"):
        rank_methods(np.zeros((3, 2)), ["a", "b"])
    with pytest.raises(ValueError, match="two methods"):
        critical_difference(1, 5)
