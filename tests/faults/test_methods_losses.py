"""Every loss on counts and logits at the ends of what can come: finite, and CE where it must be."""

import pkgutil
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

import bench.methods.losses
from bench.errors import TrainingError
from bench.method import METHODS
from bench.methods.losses.anyloss import metric_loss
from bench.methods.losses.asl import asymmetric_sigmoid_loss, asymmetric_softmax_loss
from bench.methods.losses.asymmetric import asymmetric_focal_contrastive_loss
from bench.methods.losses.balanced_softmax import balanced_softmax_loss, log_prior
from bench.methods.losses.bcl import balanced_contrastive_loss
from bench.methods.losses.cdt import cdt_loss, class_temperatures
from bench.methods.losses.class_weights import effective_number_weights, inverse_frequency_weights
from bench.methods.losses.cross_entropy import weighted_cross_entropy
from bench.methods.losses.distillation import distillation_loss
from bench.methods.losses.encouraging import encouraging_loss
from bench.methods.losses.focal import softmax_focal_loss
from bench.methods.losses.gml import class_contrastive_loss
from bench.methods.losses.imbsam import head_and_tail_losses, tail_classes
from bench.methods.losses.influence_balanced import influence_balanced_loss
from bench.methods.losses.ldam import cosine_similarities, ldam_loss, ldam_margins
from bench.methods.losses.mixup import mixup_loss
from bench.methods.losses.remix import remix_label_shares
from bench.methods.losses.rf_dlc import rf_dlc_loss
from bench.methods.losses.ride import ride_loss
from bench.methods.losses.score import facility_location_loss, graph_cut_loss
from bench.methods.losses.spcl import prototype_contrastive_loss
from bench.methods.losses.subcluster import subcluster_loss
from bench.methods.losses.supcon import contrast_losses, supcon_loss
from bench.methods.losses.tlc import tlc_loss
from bench.methods.losses.vs import vs_loss
from bench.training.finite import finite_loss, require_finite_weights
from bench.training.optimiser import make_optimiser
from bench.training.settings import TrainingSettings
from tests.methods.toy_run import on_counts


def weighted(logits, target, counts, *, weights, reduction):
    return weighted_cross_entropy(logits, target, weights(counts), reduction=reduction)


def focal(logits, target, counts):
    return softmax_focal_loss(
        logits, target, gamma=2.0, weights=effective_number_weights(counts, beta=0.9999)
    )


def influence_balanced(logits, target, counts, *, detach):
    weights = inverse_frequency_weights(counts, gamma=1.0)
    return influence_balanced_loss(logits, target, logits, weights, alpha=1e3, detach=detach)


def ldam(logits, target, counts):
    cosines = cosine_similarities(logits, torch.eye(len(counts), dtype=logits.dtype))
    return ldam_loss(cosines, target, ldam_margins(counts, max_margin=0.5), scale=30.0)


def experts(logits, target, counts, *, of):
    """Two experts that see cosines, one of them the classes the other way round."""
    cosines = cosine_similarities(logits, torch.eye(len(counts), dtype=logits.dtype))
    return of(torch.stack([cosines, cosines.flip(1)]), target, ldam_margins(counts, max_margin=0.5))


def remix(logits, target, counts):
    partner = target.flip(0)
    shares = remix_label_shares(0.3, counts[target], counts[partner], kappa=3.0, tau=0.5)
    return mixup_loss(logits, target, partner, shares)


def contrast(logits, target, counts, *, of):
    """Two views of unit length; the first are where the logits point."""
    first = normalize(logits, dim=1)
    return of(torch.cat([first, first.roll(1, dims=1)]), target)


def class_contrast(logits, target, counts):
    """Each sample with all samples as keys."""
    features = normalize(logits, dim=1)
    everything = torch.ones(len(target), len(target), dtype=torch.bool)
    return class_contrastive_loss(
        features @ features.T / 0.1, target, target, log_prior(counts), everything
    )


def contrast_of_one_view(logits, target, counts, *, of):
    return of(normalize(logits, dim=1), target)


def prototypes(features, target):
    units = torch.eye(features.shape[1], dtype=features.dtype)
    return balanced_contrastive_loss(features, target, units, temperature=0.1)


# By the file in methods/losses; each takes logits (B, K), labels (B,) and counts (K,).
LOSSES = {
    "anyloss": [
        lambda z, y, n, metric=metric: metric_loss(z, y, amplification=73.0, metric=metric)
        for metric in ("balanced_accuracy", "g_mean", "macro_f1")
    ],
    "asl": [
        lambda z, y, n: asymmetric_sigmoid_loss(
            z, y, gamma_positive=1.0, gamma_negative=4.0, clip=0.05
        ),
        lambda z, y, n: asymmetric_softmax_loss(
            z, y, gamma_positive=0.5, gamma_negative=0.5, epsilon=0.1
        ),
    ],
    "asymmetric": [
        partial(
            contrast,
            of=partial(asymmetric_focal_contrastive_loss, gamma=10.0, eta=300.0, temperature=0.1),
        )
    ],
    "balanced_softmax": [lambda z, y, n: balanced_softmax_loss(z, y, log_prior(n))],
    "bcl": [partial(contrast, of=prototypes)],
    "cdt": [lambda z, y, n: cdt_loss(z, y, class_temperatures(n, gamma=0.3))],
    "class_weights": [
        partial(weighted, weights=partial(effective_number_weights, beta=beta), reduction="plain")
        for beta in (0.0, 0.9999, 1 - 1e-9)
    ],
    "cross_entropy": [
        partial(
            weighted, weights=partial(inverse_frequency_weights, gamma=1.0), reduction=reduction
        )
        for reduction in ("plain", "normalised")
    ],
    "distillation": [lambda z, y, n: distillation_loss(z, -z.detach(), temperature=2.0, power=0.5)],
    "encouraging": [
        lambda z, y, n, end=end: encouraging_loss(z, y, tangent_from=end) for end in (0.0, 0.5, 1.0)
    ],
    "focal": [focal],
    "gml": [class_contrast],
    "imbsam": [lambda z, y, n: sum(head_and_tail_losses(z, y, tail_classes(n, eta=1.0)))],
    "influence_balanced": [partial(influence_balanced, detach=detach) for detach in (True, False)],
    "ldam": [ldam],
    "mixup": [lambda z, y, n: mixup_loss(z, y, y.flip(0), 0.3)],
    "remix": [remix],
    "rf_dlc": [
        partial(
            experts,
            of=lambda c, y, m: rf_dlc_loss(c, y, m, c, scale=30.0, repulsion=0.5),
        )
    ],
    "ride": [partial(experts, of=partial(ride_loss, scale=30.0, diversity=0.2))],
    "score": [
        partial(contrast_of_one_view, of=of) for of in (graph_cut_loss, facility_location_loss)
    ],
    "spcl": [
        lambda z, y, n: prototype_contrastive_loss(
            z, y, torch.eye(3, dtype=z.dtype), n > 0, temperature=0.1, floor=0.3
        )
    ],
    "subcluster": [
        partial(contrast, of=lambda f, y: subcluster_loss(f, y, y, tau1=0.1, tau2=0.1, beta=0.25))
    ],
    "supcon": [
        partial(contrast, of=partial(supcon_loss, temperature=0.1, form=form))
        for form in ("two_views", "literal")
    ],
    "tlc": [
        partial(
            experts,
            of=partial(tlc_loss, scale=30.0, evidence=0.01, diversity=0.01, engage=0.5),
        )
    ],
    "vs": [lambda z, y, n: vs_loss(z, y, class_temperatures(n, gamma=0.3), log_prior(n), tau=1.0)],
}
# What a method computes besides its loss.
NO_LOSSES = {"adaptive_activation", "gaussian_discriminant", "selmix", "smote"}
ALL = [
    pytest.param(loss, id=f"{name}-{place}")
    for name, losses in LOSSES.items()
    for place, loss in enumerate(losses)
]
COUNTS = torch.tensor([10**6, 1, 0])
TARGET = torch.tensor([0, 1, 0, 1])


def test_every_file_of_losses_is_in_the_table():
    assert LOSSES.keys() | NO_LOSSES == {
        module.name for module in pkgutil.iter_modules(bench.methods.losses.__path__)
    }


def loss_and_gradient(loss, logits):
    logits.requires_grad_()
    value = loss(logits, TARGET, COUNTS)
    value.backward()
    return value, logits.grad


@pytest.mark.fault(33)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("loss", ALL)
def test_a_class_without_samples_and_one_of_a_million(loss, dtype):
    """A division by a count of zero, or a power of a large ratio, overflows."""
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    value, gradient = loss_and_gradient(loss, logits)
    assert value.isfinite()
    assert gradient.isfinite().all()


def step_as_in_training(value, logits):
    finite_loss(value, {}, 1, 1)
    make_optimiser([logits], TrainingSettings()).step()
    require_finite_weights({"logits": logits}, 1)


@pytest.mark.fault(34)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rows", ["equal", "first", "last", "mixed"])
@pytest.mark.parametrize("loss", ALL)
def test_logits_of_ten_thousand_and_equal_logits(loss, rows, dtype):
    """Exponentials overflow, or the logarithm of a probability of zero is taken."""
    signs = {"equal": [0, 0, 0], "first": [1, -1, 0], "last": [-1, 0, 1], "mixed": [-1, 1, 1]}
    logits = 1e4 * torch.tensor([signs[rows]] * 4, dtype=dtype)
    value, gradient = loss_and_gradient(loss, logits)
    if dtype == torch.float16 and not (value.isfinite() and gradient.isfinite().all()):
        # Its largest number is 65504. Training refuses such a loss, or the weights after a step.
        with pytest.raises(TrainingError):
            step_as_in_training(value, logits)
        return
    assert value.isfinite()
    assert gradient.isfinite().all()


EQUAL, UNEQUAL = (40, 40, 40), (100, 20, 5)


@pytest.mark.fault(35)
@pytest.mark.parametrize(
    ("name", "options", "counts"),
    [
        ("vanilla", {}, UNEQUAL),
        ("focal", {"gamma": 0.0}, UNEQUAL),
        (
            "asl",
            {"form": "softmax", "gamma_positive": 0.0, "gamma_negative": 0.0, "epsilon": 0.0},
            UNEQUAL,
        ),
        ("cb", {"beta": 0.0}, UNEQUAL),
        ("cb", {}, EQUAL),
        ("cb_focal", {"beta": 0.0, "gamma": 0.0}, UNEQUAL),
        ("cost_sensitive", {"gamma": 0.0}, UNEQUAL),
        ("cost_sensitive", {}, EQUAL),
        ("cdt", {"gamma": 0.0}, UNEQUAL),
        ("cdt", {}, EQUAL),
        ("balanced_softmax", {}, EQUAL),
        ("gml", {}, EQUAL),
        ("logit_adjustment", {"tau": 0.0}, UNEQUAL),
        ("logit_adjustment", {}, EQUAL),
        ("contrast_to_ce", {}, UNEQUAL),
        ("score", {}, UNEQUAL),
        ("vs", {"gamma": 0.0, "tau": 0.0}, UNEQUAL),
        ("vs", {}, EQUAL),
        ("lws", {}, UNEQUAL),
        ("bcl", {}, EQUAL),
        ("sdr", {}, UNEQUAL),
        ("sdr_la", {}, EQUAL),
    ],
)
def test_a_method_without_its_idea_is_cross_entropy(name, options, counts, logits, target):
    """A constant factor or shift that should not be there changes every result a little."""
    found = on_counts(METHODS.get(name).cls, counts, **options).double().loss(logits, target)
    assert found.item() == pytest.approx(cross_entropy(logits, target).item(), abs=1e-6)


@pytest.mark.fault(35)
def test_losses_without_their_idea_are_cross_entropy(logits, target):
    """The same for losses whose methods need more than logits."""
    plain = cross_entropy(logits, target).item()
    no_margins = ldam_margins(torch.tensor(UNEQUAL), max_margin=0.0)
    equal = torch.tensor([7, 7])
    shares = remix_label_shares(1.0, equal, equal, kappa=3.0, tau=0.5)
    for loss in (
        ldam_loss(logits, target, no_margins, scale=1.0),
        mixup_loss(logits, target, target.flip(0), 1.0),
        mixup_loss(logits, target, target.flip(0), shares),
    ):
        assert loss.item() == pytest.approx(plain, abs=1e-6)


@pytest.fixture
def logits():
    return torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]], dtype=torch.float64)


@pytest.fixture
def target():
    return torch.tensor([0, 2])


def unit_vectors(*degrees):
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


@pytest.mark.fault(36)
def test_numbers_worked_out_by_hand():
    """A formula that is nearly right, which no property of it shows."""
    near = partial(pytest.approx, abs=1e-6)
    two, first, second = torch.tensor([[2.0, 0.0]]).double(), torch.tensor([0]), torch.tensor([1])
    assert cross_entropy(two, first).item() == near(0.126928)
    assert softmax_focal_loss(two, first, gamma=2.0).item() == near(0.00180356)

    zeros, prior = torch.zeros(1, 2).double(), log_prior(torch.tensor([90, 10]))
    assert balanced_softmax_loss(zeros, second, prior).item() == near(2.302585)
    assert balanced_softmax_loss(zeros, first, prior).item() == near(0.105361)

    counts = torch.tensor([1000, 10])
    weights = effective_number_weights(counts, beta=0.999)
    assert weights.sum().item() == near(2)
    assert weights.tolist() == [near(0.0310003), pytest.approx(1.9690, abs=5e-5)]

    margins = ldam_margins(counts, max_margin=0.5)
    assert margins.tolist() == near([0.158114, 0.5])
    cosines = torch.tensor([[0.6, 0.4]]).double()
    assert ldam_loss(cosines, second, margins, scale=30.0).item() == near(21.0)

    for degrees, labels, with_positive, over_all in (
        ((0, 0, 90, 90), (0, 0, 1, 1), 0.239545, 0.239545),
        ((0, 0, 90, 180), (0, 0, 1, 2), 0.142932, 0.0714658),
    ):
        features, of = unit_vectors(*degrees), torch.tensor(labels)
        others = ~torch.eye(4, dtype=torch.bool)
        positives = (of[:, None] == of) & others
        anchors = contrast_losses(features @ features.T / 0.5, positives, others)
        assert anchors[positives.any(dim=1)].mean().item() == near(with_positive)
        assert anchors.mean().item() == near(over_all)


@pytest.mark.fault(37)
@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([0], id="one sample"),
        pytest.param([1, 1, 1, 1], id="one class"),
        pytest.param([0, 1, 2, 3], id="no two alike"),
    ],
)
@pytest.mark.parametrize("loss", ["supcon", "subcluster", "asymmetric", "bcl"])
def test_contrast_without_partners_is_finite(loss, labels):
    """A mean over no positives or over no negatives is 0 / 0."""
    for of in (found.keywords["of"] for found in LOSSES[loss]):
        views = torch.randn(2 * len(labels), 4, generator=torch.Generator().manual_seed(0))
        views.requires_grad_()
        value = of(normalize(views, dim=1), torch.tensor(labels))
        value.backward()
        assert value.isfinite()
        assert views.grad.isfinite().all()


@pytest.mark.fault(37)
def test_contrast_without_a_positive_pair_pulls_nothing():
    """Anchors without positives add a gradient."""
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    losses = contrast_losses(
        logits, torch.zeros(3, 3, dtype=torch.bool), ~torch.eye(3, dtype=torch.bool)
    )
    losses.sum().backward()
    assert losses.tolist() == [0, 0, 0]
    assert np.count_nonzero(logits.grad) == 0
