import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.methods.contrastive.assignment import (
    _first_centres,
    assign_with_capacity,
    balanced_kmeans,
    num_subclusters,
    subclusters,
)


def literal(similarity, capacity):
    # Algorithm 1 as it is printed: one pair at a time.
    samples, centres = similarity.shape
    assigned, left = np.full(samples, -1), np.full(centres, capacity)
    while (assigned == -1).any():
        open_pairs = (assigned == -1)[:, None] & (left > 0)
        best = np.where(open_pairs, similarity, -np.inf).argmax()
        sample, centre = divmod(best, centres)
        assigned[sample] = centre
        left[centre] -= 1
    return assigned


def unit_rows(rng, samples, features=8, centres=5):
    middles = rng.normal(size=(centres, features))
    rows = middles[rng.integers(centres, size=samples)] + 0.5 * rng.normal(size=(samples, features))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def squared_error(features, labels):
    return sum(
        ((features[labels == k] - features[labels == k].mean(axis=0)) ** 2).sum()
        for k in np.unique(labels)
    )


def test_worked_assignment():
    similarity = np.array([[0.9, 0.8], [0.85, 0.1], [0.8, 0.75], [0.7, 0.6], [0.2, 0.65]])
    assert assign_with_capacity(similarity, 3).tolist() == [0, 0, 0, 1, 1]


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 10**6),
    st.integers(1, 25),
    st.integers(1, 6),
    st.integers(0, 4),
    st.integers(1, 9),
)
def test_equals_the_literal_algorithm_also_on_ties(seed, samples, centres, spare, levels):
    rng = np.random.default_rng(seed)
    # Few levels make many ties.
    similarity = rng.integers(levels, size=(samples, centres)).astype(np.float32)
    if levels == 9:
        similarity = rng.random((samples, centres))
    capacity = -(-samples // centres) + spare
    found = assign_with_capacity(similarity, capacity)
    assert found.tolist() == literal(similarity, capacity).tolist()


def test_a_late_sample_displaces_one_that_ties_with_it_and_stands_below():
    rows = ["1110", "1111", "0001", "0110", "1111", "1101", "0111", "0100", "0010", "0000", "0111"]
    similarity = np.array([[float(digit) for digit in row] for row in rows])
    assert assign_with_capacity(similarity, 3).tolist() == literal(similarity, 3).tolist()


def test_ample_capacity_gives_everyone_the_best_centre():
    similarity = np.random.default_rng(0).random((50, 4))
    assert (assign_with_capacity(similarity, 50) == similarity.argmax(axis=1)).all()


def test_too_few_places_and_values_that_are_not_finite_are_errors():
    with pytest.raises(ValueError, match="5 samples, but 2 centres of 2 have 4 places"):
        assign_with_capacity(np.zeros((5, 2)), 2)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            assign_with_capacity(np.full((5, 2), value), 3)


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 10**6), st.lists(st.integers(0, 60), min_size=1, max_size=4), st.integers(1, 20)
)
def test_subclusters_hold_every_sample_once_within_class_and_limit(seed, counts, limit):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    features = unit_rows(rng, len(labels))
    found = subclusters(features, labels, np.random.default_rng(seed), limit=limit)
    first = 0
    for label in np.unique(labels):
        count = counts[label]
        sizes = np.bincount(found[labels == label] - first)
        assert sizes.sum() == count
        # Rounded up, no sub-cluster is ever empty.
        assert len(sizes) == -(-count // limit)
        assert sizes.min() >= 1
        assert sizes.max() <= -(-count // len(sizes)) <= limit
        first += len(sizes)


@pytest.mark.parametrize("rounding", ["ceil", "floor"])
def test_clustering_repeats_with_the_seed_and_only_with_it(rounding):
    features = unit_rows(np.random.default_rng(0), 90)
    labels = np.repeat([0, 1], [80, 10])

    def run(seed):
        rng = np.random.default_rng(seed)
        return subclusters(features, labels, rng, limit=10, rounding=rounding)

    assert (run(3) == run(3)).all()
    assert (run(3) != run(4)).any()


def test_numbers_of_clusters_of_the_benchmark_sets():
    counts = [[27779, 1010], [21902, 596]]
    for (head, tail), clusters, capacity in zip(counts, [28, 37], [993, 592], strict=True):
        assert num_subclusters(head, tail, "ceil") == clusters
        assert -(-head // clusters) == capacity
        assert num_subclusters(tail, tail, "ceil") == 1
    # The floor leaves too few places at the limit: 27 times 1010 for 27779 samples.
    assert num_subclusters(27779, 1010, "floor") * 1010 < 27779


def test_floor_rounding_fills_clusters_over_the_limit():
    features = unit_rows(np.random.default_rng(0), 29)
    labels = np.zeros(29, np.int64)
    found = subclusters(features, labels, np.random.default_rng(0), limit=10, rounding="floor")
    assert sorted(np.bincount(found)) == [14, 15]


def test_a_class_within_the_limit_is_not_cut():
    features, labels = unit_rows(np.random.default_rng(0), 30), np.repeat([0, 3], [20, 10])
    found = subclusters(features, labels, np.random.default_rng(0), limit=20)
    assert found.tolist() == [0] * 20 + [1] * 10


@pytest.mark.parametrize("capacity", [None, 4])
def test_equal_samples_are_clustered_all_the_same(capacity):
    features = np.tile([[0.6, 0.8]], (12, 1))
    found = balanced_kmeans(features, 3, np.random.default_rng(0), capacity=capacity)
    assert np.bincount(found).sum() == 12
    if capacity:
        assert np.bincount(found).tolist() == [4, 4, 4]


def test_ends_at_once_when_an_assignment_repeats():
    features = np.repeat(np.eye(3), 4, axis=0)
    few, many = (
        balanced_kmeans(features, 3, np.random.default_rng(0), capacity=4, iterations=n)
        for n in (2, 10**9)
    )
    assert (few == many).all()


def test_separate_groups_are_found():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 25)
    features = np.eye(4)[groups] + 0.05 * rng.normal(size=(100, 4))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    found = balanced_kmeans(features, 4, np.random.default_rng(1), capacity=25)
    assert len(set(zip(groups, found, strict=True))) == 4


def best_of(features, clusters, **settings):
    runs = [
        balanced_kmeans(features, clusters, np.random.default_rng(seed), **settings)
        for seed in range(20)
    ]
    return min(squared_error(features, labels) for labels in runs)


@pytest.mark.fault(39)
def test_without_capacity_it_is_as_good_as_scikit_learn():
    """Clusters that are valid but poor."""
    cluster = pytest.importorskip("sklearn.cluster")
    features = unit_rows(np.random.default_rng(0), 300, centres=8)
    expected = cluster.KMeans(8, n_init=5, random_state=0).fit(features).inertia_
    assert best_of(features, 8, iterations=30) <= 1.01 * expected


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 8), st.sampled_from(["f4", "f8"]))
def test_first_centres_are_drawn_by_the_distance_to_the_nearest_before(
    seed, samples, centres, dtype
):
    features = unit_rows(np.random.default_rng(seed), samples).astype(dtype)
    rng = np.random.default_rng(seed)
    expected = [features[rng.integers(samples)]]
    distances = np.full(samples, np.inf)
    for _ in range(centres - 1):
        distances = np.minimum(distances, np.maximum(1 - features @ expected[-1], 0))
        sums = np.cumsum(distances, dtype=np.float64)
        place = (
            np.searchsorted(sums, rng.random() * sums[-1], side="right")
            if sums[-1] > 0
            else rng.integers(samples)
        )
        expected.append(features[min(place, samples - 1)])
    found = _first_centres(features, centres, np.random.default_rng(seed))
    np.testing.assert_array_equal(found, expected)
