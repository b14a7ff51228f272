import logging
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.methods.contrastive.distances import (
    class_distances,
    distance_weights,
    inverse_shares,
    softmax_shares,
)

DIGITS = 5e-7
# Class 0 has two sub-clusters, around (0, 0); classes 1 and 2 have one.
POINTS = torch.tensor([[0, 0.5], [0, -0.5], [3, 4], [1, 0]], dtype=torch.float64)
LABELS, SUBCLUSTERS = torch.tensor([0, 0, 1, 2]), torch.arange(4)


def random_case(seed, counts, subclusters):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    features = torch.randn(len(labels), 4, generator=generator, dtype=torch.float64)
    clusters = torch.randint(subclusters, (len(labels),), generator=generator)
    return features, labels, labels * subclusters + clusters


def by_loops(features, labels, clusters, aggregation):
    # Eq. 3-6 and 8-9, class by class.
    def nearest(groups, label):
        centres = {
            int(g): (features[groups == g].mean(0), int(labels[groups == g][0]))
            for g in groups.unique()
        }
        own = [c for c, owner in centres.values() if owner == label]
        foreign = [c for c, owner in centres.values() if owner != label]
        distances = [min((a - b).norm().item() for b in foreign) for a in own]
        return min(distances) if aggregation == "min" else sum(distances) / len(distances)

    classes = labels.unique().tolist()
    shares = []
    for groups in (labels, clusters):
        inverse = [1 / nearest(groups, label) for label in classes]
        shares.append([value / sum(inverse) for value in inverse])
    return [(a + b) * len(classes) / 2 for a, b in zip(*shares, strict=True)]


def test_worked_distances_and_weights():
    by_class = class_distances(POINTS, LABELS, LABELS)
    assert by_class.tolist() == pytest.approx([1, 4.472136, 1], abs=DIGITS)
    by_subcluster = class_distances(POINTS, LABELS, SUBCLUSTERS)
    assert by_subcluster.tolist() == pytest.approx([1.118034, 4.472136, 1.118034], abs=DIGITS)
    shares = inverse_shares(by_class)
    assert shares.tolist() == pytest.approx([0.449720, 0.100560, 0.449720], abs=DIGITS)
    sub_shares = inverse_shares(by_subcluster)
    assert sub_shares.tolist() == pytest.approx([0.444444, 0.111111, 0.444444], abs=DIGITS)
    omega = shares + sub_shares
    assert omega.tolist() == pytest.approx([0.894164, 0.211672, 0.894164], abs=DIGITS)
    assert omega.sum().item() == pytest.approx(2)
    scaled = distance_weights(POINTS, LABELS, SUBCLUSTERS, 3)
    # 0.894164 times 3/2 is 1.341246; unrounded it is 1.341247.
    assert scaled.tolist() == pytest.approx([1.341246, 0.317507, 1.341246], abs=2 * DIGITS)


@pytest.mark.parametrize(
    ("reweighting", "distances"),
    [
        ("none", [1.0, 1.0, 1.0]),
        ("class", [1.0, 4.472136, 1.0]),
        ("subcluster", [1.118034, 4.472136, 1.118034]),
    ],
)
def test_parts_of_the_weights(reweighting, distances):
    found = distance_weights(POINTS, LABELS, SUBCLUSTERS, 3, reweighting=reweighting)
    expected = 3 * inverse_shares(torch.tensor(distances))
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 12), min_size=2, max_size=5),
    st.integers(1, 4),
    st.sampled_from(["min", "mean"]),
)
def test_equals_the_equations(seed, counts, subclusters, aggregation):
    case = random_case(seed, counts, subclusters)
    found = distance_weights(*case, len(counts), aggregation=aggregation)
    assert found.tolist() == pytest.approx(by_loops(*case, aggregation))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 8),
    st.sampled_from(["none", "class", "subcluster", "both"]),
)
def test_two_classes_weigh_the_same_whatever_the_features(seed, counts, subclusters, reweighting):
    case = random_case(seed, counts, subclusters)
    assert distance_weights(*case, 2, reweighting=reweighting).tolist() == [1.0, 1.0]


def test_the_mean_over_subclusters_tells_two_classes_apart():
    features, labels, clusters = random_case(0, (70, 10), 7)
    clusters[labels == 1] = 7
    omega = distance_weights(features, labels, clusters, 2, aggregation="mean")
    assert omega[0] < 0.95 < 1.05 < omega[1]
    assert omega.sum().item() == pytest.approx(2)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.01, 100), st.sampled_from(["min", "mean"]))
def test_weights_depend_on_shape_alone(seed, scale, aggregation):
    features, labels, clusters = random_case(seed, (9, 5, 2), 2)
    generator = torch.Generator().manual_seed(seed)
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
    order = torch.randperm(len(labels), generator=generator)
    moved = scale * (features @ rotation + torch.randn(4, generator=generator))
    before = distance_weights(features, labels, clusters, 3, aggregation=aggregation)
    after = distance_weights(
        moved[order], labels[order], clusters[order], 3, aggregation=aggregation
    )
    assert after.tolist() == pytest.approx(before.tolist(), rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_the_nearest_two_classes_share_the_largest_weight(seed, classes):
    features, labels, clusters = random_case(seed, [4] * classes, 2)
    for reweighting in ("class", "subcluster"):
        omega = distance_weights(features, labels, clusters, classes, reweighting=reweighting)
        largest = omega.sort(descending=True).values
        assert largest[0] == largest[1]


def test_classes_without_samples_weigh_nothing_and_do_not_count():
    spread = torch.tensor([0, 0, 2, 5])
    found = distance_weights(POINTS, spread, SUBCLUSTERS, 7)
    assert found[[1, 3, 4, 6]].tolist() == [0, 0, 0, 0]
    expected = distance_weights(POINTS, LABELS, SUBCLUSTERS, 3)
    assert torch.equal(found[[0, 2, 5]], expected)


def test_a_single_class_weighs_one():
    features, labels, clusters = random_case(0, [5], 2)
    for aggregation in ("min", "mean"):
        found = distance_weights(features, labels, clusters, 3, aggregation=aggregation)
        assert found.tolist() == [1, 0, 0]
    assert softmax_shares(class_distances(features, labels, labels)).tolist() == [1]


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
@pytest.mark.parametrize("reweighting", ["both", "class", "subcluster", "none"])
def test_narrow_labels_give_what_wide_ones_do(dtype, reweighting):
    expected = distance_weights(POINTS, LABELS, SUBCLUSTERS, 3, reweighting=reweighting)
    narrow = LABELS.to(dtype), SUBCLUSTERS.to(dtype)
    found = distance_weights(POINTS, *narrow, 3, reweighting=reweighting)
    assert torch.equal(found, expected)


def test_coinciding_centroids_are_cut_with_a_warning(caplog):
    features = torch.tensor([[0.0], [0.0], [1.0]])
    labels = torch.arange(3)
    with caplog.at_level(logging.WARNING):
        omega = distance_weights(features, labels, labels, 3)
    assert torch.isfinite(omega).all()
    assert omega.tolist() == pytest.approx([1.5, 1.5, 0], abs=1e-5)
    assert "2 classes have a centroid closer than 1e-06" in caplog.text


def test_no_gradient_comes_out():
    features = POINTS.clone().requires_grad_()
    assert not distance_weights(features, LABELS, SUBCLUSTERS, 3).requires_grad


def test_released_weights_are_a_softmax_of_distances():
    distances = torch.tensor([1.0, 4.472136, 1.0], dtype=torch.float64)
    weights = [math.exp(-d) for d in distances]
    expected = [w / sum(weights) for w in weights]
    assert softmax_shares(distances).tolist() == pytest.approx(expected)
    # Points of unit length are at most 2 apart.
    largest = softmax_shares(torch.tensor([0.0, 2.0]))
    assert (largest[0] / largest[1]).item() == pytest.approx(math.e**2)
