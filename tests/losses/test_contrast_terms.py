"""What all contrasts share that go through the loops of :mod:`bench.methods._contrast_terms`."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.functional import normalize

from bench.methods.losses import asymmetric, supcon
from bench.methods.losses.asymmetric import asymmetric_focal_contrastive_loss
from bench.methods.losses.bcl import balanced_contrastive_loss
from bench.methods.losses.subcluster import subcluster_loss
from bench.methods.losses.supcon import contrast_losses, supcon_loss

LABELS, SUBCLUSTERS = torch.tensor([0, 0, 0, 2]), torch.tensor([0, 1, 1, 2])


def unit_vectors(rows, dtype=torch.float64):
    generator = torch.Generator().manual_seed(rows)
    return normalize(torch.randn(rows, 3, generator=generator, dtype=dtype), dim=1)


def bcl(features, labels=LABELS, subclusters=None):
    prototypes = unit_vectors(3, features.dtype)
    return balanced_contrastive_loss(features, labels, prototypes, temperature=0.5)


def of_prototypes(prototypes):
    features = unit_vectors(8, prototypes.dtype)
    return balanced_contrastive_loss(features, LABELS, prototypes, temperature=0.5)


def supervised(form):
    def loss(features, labels=LABELS, subclusters=None):
        return supcon_loss(features, labels, temperature=0.5, form=form)

    return loss


def two_levels(form):
    def loss(features, labels=LABELS, subclusters=SUBCLUSTERS):
        return subcluster_loss(
            features, labels, subclusters, tau1=0.5, tau2=0.3, beta=0.4, form=form
        )

    return loss


def asymmetric_focal(gamma, eta):
    def loss(features, labels=LABELS, subclusters=None):
        return asymmetric_focal_contrastive_loss(
            features, labels, gamma=gamma, eta=eta, temperature=0.5
        )

    return loss


OF_FEATURES = {
    "supcon": supervised("two_views"),
    "supcon, literal": supervised("literal"),
    "subcluster": two_levels("two_views"),
    "subcluster, literal": two_levels("literal"),
    "bcl": bcl,
    "acl": asymmetric_focal(0.0, 3.0),
    "fcl": asymmetric_focal(2.5, 0.0),
    "afcl": asymmetric_focal(0.5, 3.0),
}
each_loss = pytest.mark.parametrize("loss", OF_FEATURES.values(), ids=OF_FEATURES)


@pytest.mark.parametrize("loss", [*OF_FEATURES.values(), of_prototypes])
def test_first_and_second_derivatives_are_those_of_differences(loss):
    inputs = unit_vectors(3 if loss is of_prototypes else 8).requires_grad_()
    assert gradcheck(loss, inputs)
    assert gradgradcheck(loss, inputs)


def penalised(loss, features):
    features = features.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(features), features, create_graph=True)
    grad.square().sum().backward()
    return grad.detach(), features.grad


@each_loss
def test_a_penalty_on_gradients_is_that_of_single_operations_bit_for_bit(loss, monkeypatch):
    features = unit_vectors(8, torch.float32)
    found = penalised(loss, features)
    for module in (asymmetric, supcon):
        monkeypatch.setattr(module, "is_plain", lambda logits: False)
    for one, expected in zip(found, penalised(loss, features), strict=True):
        assert expected.count_nonzero()
        assert torch.equal(one, expected)


@each_loss
def test_an_empty_batch_has_no_mean_and_an_empty_gradient(loss):
    # As cross-entropy has it.
    none = torch.empty(0, dtype=torch.int64)
    features = torch.empty(0, 3, requires_grad=True)
    found = loss(features, none, none)
    found.backward()
    assert found.isnan()
    assert features.grad.shape == (0, 3)


@each_loss
@pytest.mark.parametrize(("features", "labels"), [(7, 4), (6, 4), (16, 4), (8, 8), (8, 3), (2, 0)])
def test_features_of_other_samples_than_the_labels_are_refused(loss, features, labels):
    # Loops do not see where a matrix ends.
    numbers = torch.zeros(labels, dtype=torch.int64)
    with pytest.raises((ValueError, RuntimeError), match=r"Expected masks|must match the size"):
        loss(unit_vectors(features), numbers, numbers)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (1, 3), (3, 3)])
def test_masks_and_discounts_of_another_shape_or_type_are_refused(shape):
    logits, masks = torch.zeros(2, 3), torch.ones(shape, dtype=torch.bool)
    if shape == (2, 3):
        assert contrast_losses(logits, masks, masks, torch.zeros(3)).shape == (2,)
        masks = masks.long()
    right = torch.ones(2, 3, dtype=torch.bool)
    for positives, candidates in ((masks, right), (right, masks)):
        with pytest.raises(ValueError, match="Expected masks of bool and shape"):
            contrast_losses(logits, positives, candidates)
    with pytest.raises(ValueError, match="Expected masks of bool and shape"):
        contrast_losses(logits[:1], right[:1], right[:1], torch.zeros(2, 3))
