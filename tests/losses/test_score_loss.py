import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from bench.methods.losses.score import facility_location_loss, graph_cut_loss

POINTS = torch.tensor([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], dtype=torch.float64)
LABELS = torch.tensor([0, 0, 1, 1])


def test_worked_numbers():
    assert 10 * graph_cut_loss(POINTS, LABELS).item() == pytest.approx(3.827189, abs=5.1e-7)
    assert 10 * facility_location_loss(POINTS, LABELS).item() == pytest.approx(7.991131, abs=5.1e-7)


def similarity(a, b):
    return (1 + float(a @ b)) / 2


def graph_cut_by_loops(features, labels):
    losses = []
    for i in range(len(labels)):
        same = [j for j in range(len(labels)) if labels[j] == labels[i] and j != i]
        rest = [j for j in range(len(labels)) if labels[j] != labels[i]]
        if same and rest:
            alike, unlike = (
                sum(similarity(features[i], features[j]) for j in of) for of in (same, rest)
            )
            losses.append(-math.log(0.5 * alike / unlike))
    return sum(losses) / len(losses) if losses else 0.0


def facility_location_by_loops(features, labels):
    total = 0.0
    for j in range(len(labels)):
        total += math.log(
            sum(
                math.exp(similarity(features[i], features[j]) if labels[i] != labels[j] else 0)
                for i in range(len(labels))
            )
        )
    return 0.5 * total / len(labels)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 4))
def test_equals_the_definition(seed, size, classes):
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(size, 4, generator=generator, dtype=torch.float64), dim=1)
    labels = torch.randint(classes, (size,), generator=generator)
    for loss, expected in (
        (graph_cut_loss, graph_cut_by_loops),
        (facility_location_loss, facility_location_by_loops),
    ):
        assert loss(features, labels).item() == pytest.approx(
            expected(features, labels), rel=1e-9, abs=1e-12
        )


def test_the_factor_of_the_cut_is_a_constant():
    gradients = []
    for factor in (0.5, 3.0):
        features = POINTS.clone().requires_grad_()
        graph_cut_loss(features, LABELS, factor=factor).backward()
        gradients.append(features.grad)
    assert torch.allclose(*gradients)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]])
def test_no_anchor_with_both_kinds_of_others_is_no_cut(labels):
    features = POINTS.clone().requires_grad_()
    loss = graph_cut_loss(features, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert (features.grad == 0).all()


@pytest.mark.parametrize("loss", [graph_cut_loss, facility_location_loss])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_opposite_vectors_stay_finite(loss, dtype):
    # Samples of a class have similarity 0, others 1.
    features = torch.tensor([[1.0, 0], [-1, 0], [1, 0], [-1, 0]]).to(dtype).requires_grad_()
    value = loss(features, torch.tensor([0, 0, 1, 1]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(features.grad).all()
