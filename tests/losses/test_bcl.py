import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from bench.methods.losses.bcl import balanced_contrastive_loss


def random_case(seed, size, classes):
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(2 * size, 3, generator=generator, dtype=torch.float64), dim=1)
    prototypes = normalize(torch.randn(classes, 3, generator=generator, dtype=torch.float64), dim=1)
    return features, torch.randint(classes, (size,), generator=generator), prototypes


def by_loops(features, labels, prototypes, temperature):
    items = [(f, int(label)) for f, label in zip(features, labels.repeat(2), strict=True)]
    items += [(prototype, k) for k, prototype in enumerate(prototypes)]
    total = 0.0
    for i in range(len(features)):
        own = items[i][1]
        denominator = 0.0
        for k in range(len(prototypes)):
            weights = [
                math.exp(features[i] @ other / temperature)
                for j, (other, label) in enumerate(items)
                if label == k and j != i
            ]
            denominator += sum(weights) / len(weights)
        log_p = [
            (features[i] @ other / temperature).item() - math.log(denominator)
            for j, (other, label) in enumerate(items)
            if label == own and j != i
        ]
        total -= sum(log_p) / len(log_p)
    return total / len(features)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5), st.floats(0.05, 5))
def test_equals_the_definition(seed, size, classes, temperature):
    features, labels, prototypes = random_case(seed, size, classes)
    found = balanced_contrastive_loss(features, labels, prototypes, temperature=temperature)
    expected = by_loops(features, labels, prototypes, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0, 0, 1], [0, 1, 2, 3, 4, 4]])
def test_equal_features_give_log_k_whatever_the_counts(labels):
    loss = balanced_contrastive_loss(
        torch.ones(12, 1), torch.tensor(labels), torch.ones(5, 1), temperature=0.1
    )
    assert loss.item() == pytest.approx(math.log(5), rel=1e-6)


@pytest.mark.parametrize("copies", [1, 5])
def test_more_samples_at_the_place_of_another_class_repel_no_more(copies):
    prototypes = torch.eye(2, dtype=torch.float64)
    labels = torch.tensor([0] + [1] * copies)
    features = prototypes[labels].repeat(2, 1)
    loss = balanced_contrastive_loss(features, labels, prototypes, temperature=0.5)
    # exp(1 / 0.5) for the own class, 1 for the other, for every anchor.
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)))


def test_prototypes_get_gradients_also_of_classes_absent_from_the_batch():
    features, _, prototypes = random_case(0, 3, 4)
    prototypes.requires_grad_()
    loss = balanced_contrastive_loss(features, torch.tensor([0, 0, 1]), prototypes, temperature=0.1)
    loss.backward()
    assert (prototypes.grad.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 6])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("classes", [1, 3])
def test_extremes_stay_finite(dtype, size, scale, classes):
    features = (scale * torch.ones(2 * size, 4)).to(dtype).requires_grad_()
    prototypes = torch.ones(classes, 4, dtype=dtype, requires_grad=True)
    labels = torch.arange(size) % classes
    loss = balanced_contrastive_loss(features, labels, prototypes, temperature=0.07)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(prototypes.grad).all()
