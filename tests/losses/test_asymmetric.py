import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from bench.methods._contrast_terms import AsymmetricTerms, asymmetric_terms
from bench.methods.losses.asymmetric import asymmetric_focal_contrastive_loss
from bench.methods.losses.supcon import same, supcon_loss


def random_case(seed, size):
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(2 * size, 3, generator=generator, dtype=torch.float64), dim=1)
    return features, torch.randint(3, (size,), generator=generator)


def by_loops(features, labels, gamma, eta, temperature):
    both, total = labels.repeat(2), 0.0
    for i in range(len(both)):
        weights = [math.exp(features[i] @ other / temperature) for other in features]
        for j in range(len(both)):
            if j == i:
                continue
            p = weights[j] / (sum(weights) - weights[i])
            if both[i] == both[j]:
                total -= (1 - p) ** gamma * math.log(p)
            else:
                total -= eta * math.log(1 - p)
    return total / len(both) ** 2


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 10**6), st.integers(2, 6), st.floats(0, 10), st.floats(0, 300), st.floats(0.2, 5)
)
def test_equals_the_definition(seed, size, gamma, eta, temperature):
    features, labels = random_case(seed, size)
    settings = {"gamma": gamma, "eta": eta, "temperature": temperature}
    found = asymmetric_focal_contrastive_loss(features, labels, **settings)
    assert found.item() == pytest.approx(by_loops(features, labels, **settings), rel=1e-7)


def test_without_gamma_and_eta_it_is_contrast_averaged_over_rows():
    features, _ = random_case(0, 6)
    # Two samples a class: 3 positives in each row of 12.
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    found = asymmetric_focal_contrastive_loss(features, labels, gamma=0, eta=0, temperature=0.3)
    contrast = supcon_loss(features, labels, temperature=0.3)
    assert found.item() == pytest.approx(contrast.item() * 3 / 12)


def test_anchors_weigh_by_their_number_of_positives():
    labels = torch.tensor([0, 0, 0, 1])
    found = asymmetric_focal_contrastive_loss(
        torch.ones(8, 1, dtype=torch.float64), labels, gamma=0, eta=0, temperature=1.0
    )
    # Six anchors with 5 positives and two with 1, each pair log 7.
    assert found.item() == pytest.approx((6 * 5 + 2 * 1) * math.log(7) / 64)


def test_larger_gamma_lowers_positives_and_larger_eta_raises_the_loss():
    features, labels = random_case(1, 6)
    losses = [
        asymmetric_focal_contrastive_loss(
            features, labels, gamma=gamma, eta=eta, temperature=0.5
        ).item()
        for gamma, eta in ((10, 0), (0, 0), (0, 10))
    ]
    assert losses == sorted(losses)
    assert len(set(losses)) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("gamma", "eta"), [(0.0, 0.0), (0.5, 300.0), (10.0, 300.0)])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 0, 0], [0, 1, 2, 0]])
def test_extremes_stay_finite(dtype, gamma, eta, scale, labels):
    features = torch.ones(2 * len(labels), 4)
    features[: len(labels)] *= -scale
    features = features.to(dtype).requires_grad_()
    loss = asymmetric_focal_contrastive_loss(
        features, torch.tensor(labels), gamma=gamma, eta=eta, temperature=0.07
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.7]),
    st.sampled_from([0.0, 0.3, 300.0]),
    st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from([0.0, 1.0, 50.0, 1e4]),
)
def test_loops_give_the_bits_of_single_operations(seed, size, gamma, eta, dtype, spread):
    generator = torch.Generator().manual_seed(seed)
    values = spread * torch.randn(2 * size, 2 * size, generator=generator, dtype=dtype)
    alike = same(torch.randint(3, (size,), generator=generator), 2 * size)
    bits = {torch.float32: torch.int32, torch.float64: torch.int64}[dtype]
    found = []
    for terms_of in (AsymmetricTerms.apply, asymmetric_terms):
        logits = values.clone().requires_grad_()
        terms = terms_of(logits, alike, gamma, eta)
        terms.mean().backward()
        found.append((terms.detach().view(bits), logits.grad.view(bits)))
    (terms, grad), (expected_terms, expected_grad) = found
    assert torch.equal(terms, expected_terms)
    assert torch.equal(grad, expected_grad)
