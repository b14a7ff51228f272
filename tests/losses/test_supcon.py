import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from bench.methods._contrast_terms import contrast_terms
from bench.methods.losses.supcon import contrast_losses, supcon_loss, view_pairs

DIGITS = 5e-7
FORMS = ("two_views", "literal")


def unit_vectors(*degrees):
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


@pytest.fixture
def features():
    return unit_vectors(0, 30, 90, 180, 10, 40, 100, 170)


@pytest.fixture
def labels():
    return torch.tensor([0, 0, 0, 1])


def by_loops(features, labels, temperature, form):
    size = len(labels)
    anchors = range(size) if form == "literal" else range(2 * size)
    losses = []
    for i in anchors:
        own = (i + size) % (2 * size)
        others = [j for j in range(2 * size) if j % size != i % size]
        if form == "literal":
            others = [j for j in others if j < size]
        candidates = [*others, own]
        weights = {j: math.exp(features[i] @ features[j] / temperature) for j in candidates}
        positives = [j for j in candidates if labels[j % size] == labels[i % size]]
        log_p = [math.log(weights[j] / sum(weights.values())) for j in positives]
        losses.append(-sum(log_p) / len(positives))
    return losses


def test_worked_losses_of_two_views(features, labels):
    loss = supcon_loss(features, labels, temperature=0.5)
    assert loss.item() == pytest.approx(1.537995, abs=DIGITS)
    _, candidates = view_pairs(4, "two_views")
    both = labels.repeat(2)
    positives = (both[:, None] == both) & candidates
    anchors = contrast_losses(features @ features.T / 0.5, positives, candidates)
    expected = [1.989497, 1.744135, 1.988228, 0.357760, 1.908870, 1.685605, 2.170280, 0.459584]
    assert anchors.tolist() == pytest.approx(expected, abs=DIGITS)


def test_worked_loss_of_the_literal_form(features, labels):
    loss = supcon_loss(features, labels, temperature=0.5, form="literal")
    assert 4 * loss.item() == pytest.approx(4.243023, abs=DIGITS)


@pytest.mark.parametrize(
    ("degrees", "labels", "with_positive", "over_all"),
    [
        ((0, 0, 90, 90), (0, 0, 1, 1), 0.239545, 0.239545),
        ((0, 0, 90, 180), (0, 0, 1, 2), 0.142932, 0.0714658),
    ],
)
def test_worked_losses_without_views(degrees, labels, with_positive, over_all):
    features, labels = unit_vectors(*degrees), torch.tensor(labels)
    candidates = ~torch.eye(4, dtype=torch.bool)
    positives = (labels[:, None] == labels) & candidates
    losses = contrast_losses(features @ features.T / 0.5, positives, candidates)
    assert losses[positives.any(dim=1)].mean().item() == pytest.approx(with_positive, abs=DIGITS)
    assert losses.mean().item() == pytest.approx(over_all, abs=DIGITS)


@pytest.mark.fault(39)
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from(FORMS), st.floats(0.05, 5))
def test_equals_the_definition(seed, size, form, temperature):
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(2 * size, 3, generator=generator, dtype=torch.float64), dim=1)
    labels = torch.randint(3, (size,), generator=generator)
    expected = by_loops(features, labels, temperature, form)
    found = supcon_loss(features, labels, temperature=temperature, form=form)
    assert found.item() == pytest.approx(sum(expected) / len(expected), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_order_of_samples_does_not_matter(features, labels, form):
    order = torch.tensor([2, 0, 3, 1])
    shuffled = torch.cat([features[:4][order], features[4:][order]])
    assert supcon_loss(shuffled, labels[order], temperature=0.5, form=form).item() == pytest.approx(
        supcon_loss(features, labels, temperature=0.5, form=form).item()
    )


def test_other_samples_views_are_no_candidates_in_the_literal_form(features, labels):
    moved = features.clone()
    moved[4] = -moved[4]
    one = torch.tensor([1, 2, 3])
    logits = [f[:4] @ f.T / 0.5 for f in (features, moved)]
    _, candidates = view_pairs(4, "literal")
    positives = (labels[:, None] == labels.repeat(2)) & candidates
    before, after = (contrast_losses(values, positives, candidates) for values in logits)
    assert torch.equal(before[one], after[one])
    assert before[0] != after[0]


def test_anchor_without_positive_or_candidate_has_loss_and_gradient_of_zero():
    logits = torch.ones(2, 2, requires_grad=True)
    none = torch.zeros(2, 2, dtype=torch.bool)
    for candidates in (none, ~none):
        losses = contrast_losses(logits, none, candidates)
        losses.sum().backward()
        assert losses.tolist() == [0, 0]
        assert logits.grad.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("classes", [1, 5])
def test_extremes_stay_finite(form, dtype, size, scale, classes):
    features = (scale * torch.ones(2 * size, 4)).to(dtype).requires_grad_()
    loss = supcon_loss(features, torch.arange(size) % classes, temperature=0.1, form=form)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()


def test_half_precision_is_summed_in_single(features, labels):
    half = supcon_loss(features.bfloat16(), labels, temperature=0.5)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(1.537995, rel=0.01)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.integers(1, 70),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from([1.0, 50.0, 1e4]),
    st.booleans(),
)
def test_loops_give_the_bits_of_single_operations(
    seed, anchors, others, share, positive, dtype, spread, discounted
):
    generator = torch.Generator().manual_seed(seed)
    values = spread * torch.randn(anchors, others, generator=generator, dtype=dtype)
    candidates = torch.rand(anchors, others, generator=generator) < share
    positives = (torch.rand(anchors, others, generator=generator) < positive) & candidates
    weights = torch.randn(anchors, generator=generator, dtype=dtype)
    discounts = torch.rand(anchors, others, generator=generator, dtype=dtype).log()
    bits = {torch.float32: torch.int32, torch.float64: torch.int64}[dtype]
    found = []
    for losses_of in (contrast_losses, contrast_terms):
        logits = values.clone().requires_grad_()
        losses = losses_of(logits, positives, candidates, discounts if discounted else None)
        (losses * weights).sum().backward()
        found.append((losses.detach().view(bits), logits.grad.view(bits)))
    (losses, grad), (expected_losses, expected_grad) = found
    assert torch.equal(losses, expected_losses)
    assert torch.equal(grad, expected_grad)


def test_loops_pass_on_what_is_not_finite():
    logits = torch.tensor([[0.0, float("nan"), 1.0], [0.0, float("inf"), 1.0], [0.0, 1.0, 2.0]])
    positives = torch.tensor([[True, False, False]] * 3)
    candidates = torch.ones(3, 3, dtype=torch.bool)
    found = contrast_losses(logits, positives, candidates)
    expected = contrast_terms(logits, positives, candidates)
    assert found.isnan().tolist() == expected.isnan().tolist() == [True, True, False]
