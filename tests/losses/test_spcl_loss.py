import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.ldam import cosine_similarities
from bench.methods.losses.spcl import prototype_contrastive_loss

DIGITS = 5.1e-7
ANCHORS = torch.tensor([[1.0, -2.0, 0.5], [0.2, 0.1, -0.3]], dtype=torch.float64)
PROTOTYPES = torch.tensor([[0.8, -1, 0.5], [0.5, 0.5, -1], [0, 0.3, -0.2]], dtype=torch.float64)
LABELS, PRESENT = torch.tensor([0, 2]), torch.ones(3, dtype=torch.bool)


def loss_of(*, temperature, floor=0.0, anchors=ANCHORS, labels=LABELS, present=PRESENT):
    return prototype_contrastive_loss(
        anchors, labels, PROTOTYPES, present, temperature=temperature, floor=floor
    )


def each_by_loops(anchors, labels, prototypes, present, temperature):
    items = list(anchors) + [p for p, there in zip(prototypes, present, strict=True) if there]
    classes = labels.tolist() + [k for k, there in enumerate(present) if there]
    losses = []
    for i in range(len(anchors)):
        weights = {
            j: math.exp((1 + torch.cosine_similarity(anchors[i], other, dim=0)) / 2 / temperature)
            for j, other in enumerate(items)
            if j != i
        }
        alike = [weight for j, weight in weights.items() if classes[j] == classes[i]]
        losses.append(-math.log(sum(alike) / len(alike) / sum(weights.values())))
    return losses


@pytest.mark.parametrize(
    ("temperature", "expected", "mean"),
    [(0.5, [0.558155, 1.173003], 0.865579), (0.05, [0.000013, 3.190598], 3.190598)],
)
def test_worked_numbers(temperature, expected, mean):
    found = each_by_loops(ANCHORS, LABELS, PROTOTYPES, PRESENT, temperature)
    assert found == pytest.approx(expected, abs=DIGITS)
    # A floor between the two leaves the larger one alone.
    larger = loss_of(temperature=temperature, floor=1.0).item()
    smaller = 2 * loss_of(temperature=temperature).item() - larger
    assert [smaller, larger] == pytest.approx(expected, abs=DIGITS)
    assert loss_of(temperature=temperature, floor=0.3).item() == pytest.approx(mean, abs=DIGITS)
    assert loss_of(temperature=temperature).item() == pytest.approx(sum(expected) / 2, abs=DIGITS)


@settings(deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 8),
    st.integers(1, 4),
    st.floats(0.05, 2),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_equals_the_definition(seed, size, classes, temperature, floor):
    generator = torch.Generator().manual_seed(seed)
    anchors = torch.randn(size, 3, generator=generator, dtype=torch.float64)
    prototypes = torch.randn(classes, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (size,), generator=generator)
    present = torch.rand(classes, generator=generator) < 0.5
    present[labels] = True
    found = prototype_contrastive_loss(
        anchors, labels, prototypes, present, temperature=temperature, floor=floor
    )
    losses = each_by_loops(anchors, labels, prototypes, present, temperature)
    counted = [loss for loss in losses if loss > floor]
    expected = sum(counted) / len(counted) if counted else 0.0
    assert found.item() == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_one_sample_is_classified_by_a_cosine_classifier_of_scale_half_by_temperature():
    for i in range(2):
        logits = cosine_similarities(ANCHORS[i : i + 1], PROTOTYPES) / (2 * 0.1)
        found = loss_of(temperature=0.1, anchors=ANCHORS[i : i + 1], labels=LABELS[i : i + 1])
        expected = cross_entropy(logits, LABELS[i : i + 1]).item()
        assert found.item() == pytest.approx(expected, rel=1e-12)


def test_the_loss_jumps_as_an_anchor_drops_out():
    floors = torch.tensor([0.558, 0.559]).tolist()
    below, above = (loss_of(temperature=0.5, floor=floor).item() for floor in floors)
    assert below == pytest.approx(0.865579, abs=DIGITS)
    assert above == pytest.approx(1.173003, abs=DIGITS)


def test_none_above_the_floor_is_a_loss_of_0_without_gradient():
    anchors = ANCHORS.clone().requires_grad_()
    loss = loss_of(temperature=0.5, floor=9.0, anchors=anchors)
    loss.backward()
    assert loss.item() == 0
    assert (anchors.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_extremes_stay_finite(dtype, scale):
    anchors = (scale * torch.tensor([[1.0, 0, 0], [-1, 0, 0], [1, 0, 0]])).to(dtype)
    anchors.requires_grad_()
    loss = prototype_contrastive_loss(
        anchors,
        torch.tensor([0, 0, 1]),
        torch.zeros(2, 3),
        PRESENT[:2],
        temperature=0.01,
        floor=0.3,
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(anchors.grad).all()
