import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from bench.methods.losses.subcluster import subcluster_loss
from bench.methods.losses.supcon import supcon_loss

DIGITS = 5e-7
FORMS = ("two_views", "literal")


@pytest.fixture
def features():
    degrees = [0, 30, 90, 180, 10, 40, 100, 170]
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


LABELS, SUBCLUSTERS = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 2])


def log_softmax_mean(features, i, positives, candidates, tau):
    weights = {j: math.exp(features[i] @ features[j] / tau) for j in candidates}
    return -sum(math.log(weights[j] / sum(weights.values())) for j in positives) / len(positives)


def by_loops(features, labels, clusters, tau1, tau2, beta, form):
    size, total = len(labels), 0.0
    anchors = range(size) if form == "literal" else range(2 * size)
    for i in anchors:
        own = (i + size) % (2 * size)
        others = [j for j in range(2 * size) if j % size != i % size]
        if form == "literal":
            others = [j for j in others if j < size]
        near = [j for j in others if clusters[j % size] == clusters[i % size]]
        alike = [j for j in others if labels[j % size] == labels[i % size]]
        first = log_softmax_mean(features, i, [*near, own], [*others, own], tau1)
        rest = [j for j in others if j not in near]
        positives = [j for j in alike if j not in near]
        second = log_softmax_mean(features, i, [*positives, own], [*rest, own], tau2)
        total += first + beta * second
    return total / len(anchors)


@pytest.mark.parametrize(
    ("form", "anchors", "expected"),
    [
        ("two_views", 1, (0.982059, 1.334423, 1.315665)),
        ("literal", 4, (2.362723, 3.609532, 3.265106)),
    ],
)
def test_worked_losses(features, form, anchors, expected):
    for (scale, beta), value in zip([(1, 0), (0, 1), (1, 0.25)], expected, strict=True):
        loss = subcluster_loss(
            features, LABELS, SUBCLUSTERS, tau1=0.5, tau2=0.5, beta=beta, scale=scale, form=form
        )
        # The figures of the literal form are sums over its anchors.
        assert anchors * loss.item() == pytest.approx(value, abs=DIGITS)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 7), st.sampled_from(FORMS))
def test_equals_the_definition(seed, size, form):
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(2 * size, 3, generator=generator, dtype=torch.float64), dim=1)
    clusters = torch.randint(5, (size,), generator=generator)
    labels = clusters // 2
    found = subcluster_loss(
        features, labels, clusters, tau1=0.3, tau2=0.7, beta=0.4, form=form
    ).item()
    expected = by_loops(features, labels, clusters, 0.3, 0.7, 0.4, form)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_classes_as_subclusters_and_no_second_term_is_supervised_contrast(features, form):
    found = subcluster_loss(features, LABELS, LABELS, tau1=0.5, tau2=9.0, beta=0.0, form=form)
    assert found.item() == supcon_loss(features, LABELS, temperature=0.5, form=form).item()


def test_samples_as_subclusters_leave_all_of_the_class_to_the_second_term(features):
    alone = torch.arange(4)
    found = subcluster_loss(features, LABELS, alone, tau1=1.0, tau2=0.5, beta=1.0, scale=0.0)
    assert found.item() == pytest.approx(supcon_loss(features, LABELS, temperature=0.5).item())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 6])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("clusters", [1, 6])
def test_extremes_stay_finite(form, dtype, size, scale, clusters):
    features = (scale * torch.ones(2 * size, 4)).to(dtype).requires_grad_()
    subclusters = torch.arange(size) % clusters
    loss = subcluster_loss(
        features, subclusters // 2, subclusters, tau1=0.1, tau2=0.1, beta=0.25, form=form
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()
