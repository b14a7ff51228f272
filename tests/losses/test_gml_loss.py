import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, normalize

from bench.methods.losses.balanced_softmax import log_prior
from bench.methods.losses.gml import class_contrastive_loss, class_log_means

DIGITS = 5.1e-7


def at(*degrees):
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


ANCHORS, KEYS = at(0, 60), at(10, -20, 30, 90, 120, 70)
CLASSES, LABELS = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 2])
SIMILAR = ANCHORS @ KEYS.T / 0.5
ALL = torch.ones(2, 6, dtype=torch.bool)


def test_worked_numbers(counts):
    found = class_log_means(SIMILAR, CLASSES, ALL, 3)
    assert found[0].tolist() == pytest.approx([1.865094, -0.379885, 0.684040], abs=DIGITS)
    assert found[1].tolist() == pytest.approx([1.270155, 1.431568, 1.969616], abs=DIGITS)
    loss = class_contrastive_loss(SIMILAR, CLASSES, LABELS, log_prior(counts), ALL)
    assert loss.item() == pytest.approx(1.310793, abs=DIGITS)


def test_worked_numbers_without_the_first_key(counts):
    candidates = ALL.clone()
    candidates[0, 0] = False
    found = class_log_means(SIMILAR, CLASSES, candidates, 3)
    assert found[0, 0].item() == pytest.approx(1.808429, abs=DIGITS)
    loss = class_contrastive_loss(SIMILAR, CLASSES, LABELS, log_prior(counts), candidates)
    assert loss.item() == pytest.approx(1.311819, abs=DIGITS)


def by_loops(similarities, classes, labels, log_priors, candidates):
    losses = []
    for i, label in enumerate(labels.tolist()):
        means = {}
        for k in range(len(log_priors)):
            keys = [a for a in range(len(classes)) if classes[a] == k and candidates[i, a]]
            if keys:
                total = sum(math.exp(similarities[i, a]) for a in keys)
                means[k] = math.exp(log_priors[k]) * total / len(keys)
        if label in means:
            losses.append(-math.log(means[label] / sum(means.values())))
    return sum(losses) / len(losses) if losses else 0.0


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 12), st.integers(1, 4))
def test_equals_the_definition(seed, anchors, keys, classes):
    generator = torch.Generator().manual_seed(seed)
    similarities = 4 * torch.randn(anchors, keys, generator=generator, dtype=torch.float64)
    inputs = (
        similarities,
        torch.randint(classes, (keys,), generator=generator),
        torch.randint(classes, (anchors,), generator=generator),
        log_prior(torch.randint(1, 50, (classes,), generator=generator)),
        torch.rand(anchors, keys, generator=generator) < 0.7,
    )
    found = class_contrastive_loss(*inputs).item()
    assert found == pytest.approx(by_loops(*inputs), rel=1e-9, abs=1e-12)


def test_all_keys_of_a_class_twice_change_nothing(counts):
    twice = torch.tensor([0, 1, 2, 3, 3, 4, 4, 5])
    found, expected = (
        class_contrastive_loss(
            SIMILAR[:, keys],
            CLASSES[keys],
            LABELS,
            log_prior(counts),
            ALL[:, :1].expand(2, len(keys)),
        ).item()
        for keys in (twice, torch.arange(6))
    )
    assert found == pytest.approx(expected, rel=1e-12)


def test_one_key_a_class_is_a_cosine_classifier_under_the_log_prior(counts):
    keys = normalize(torch.tensor([[1.0, 2], [-1, 0.5], [0.2, -1]], dtype=torch.float64), dim=1)
    logits = ANCHORS @ keys.T / 0.1
    expected = cross_entropy(logits + log_prior(counts), LABELS)
    found = class_contrastive_loss(
        logits, torch.arange(3), LABELS, log_prior(counts), ALL[:, :1].expand(2, 3)
    )
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_equal_counts_have_no_prior():
    equal, none = log_prior(torch.tensor([7, 7, 7])), torch.zeros(3)
    found, expected = (
        class_contrastive_loss(SIMILAR, CLASSES, LABELS, priors, ALL).item()
        for priors in (equal, none)
    )
    assert found == pytest.approx(expected, rel=1e-12)


def test_anchors_whose_class_has_no_key_do_not_count(counts):
    candidates = ALL.clone()
    candidates[1, 5] = False
    similarities = SIMILAR.clone().requires_grad_()
    loss = class_contrastive_loss(similarities, CLASSES, LABELS, log_prior(counts), candidates)
    alone = class_contrastive_loss(SIMILAR[:1], CLASSES, LABELS[:1], log_prior(counts), ALL[:1])
    assert loss.item() == pytest.approx(alone.item())
    loss.backward()
    assert (similarities.grad[1] == 0).all()
    nobody = class_contrastive_loss(SIMILAR, CLASSES, LABELS, log_prior(counts), ~ALL)
    assert nobody.item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_extremes_stay_finite_and_far_classes_keep_their_digits(dtype, scale):
    similarities = (scale * torch.tensor([[1.0, -1.0, -1.0, 0.5]])).to(dtype).requires_grad_()
    loss = class_contrastive_loss(
        similarities,
        torch.tensor([0, 1, 1, 2]),
        torch.tensor([1]),
        torch.zeros(3),
        torch.tensor([[True, True, True, False]]),
    )
    loss.backward()
    assert loss.item() == pytest.approx(2 * scale if scale else math.log(2), rel=0.2)
    assert torch.isfinite(similarities.grad).all()
