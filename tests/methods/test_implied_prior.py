"""Under which class shares logits are a posterior, for every method, by numbers worked by hand."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from bench.dataset import Entity
from bench.method import METHODS, Context, Method, Samples, log_shares
from tests.methods.toy_run import on_counts

COUNTS = (90, 10)
AS_DATA, EQUAL = (0.9, 0.1), (0.5, 0.5)

# (method, options) to the shares. 90^0.5 = 9.487 and 10^0.5 = 3.162; 1 - 0.9^90 = 0.99992 and
# 1 - 0.9^10 = 0.65132, so that 90 / 0.99992 and 10 / 0.65132 are 90.007 and 15.353.
KNOWN = {
    ("vanilla", ()): AS_DATA,
    ("cost_sensitive", ()): EQUAL,
    ("cost_sensitive", (("gamma", 0.5),)): (0.75, 0.25),
    ("cb", (("beta", 0.9),)): (0.85428, 0.14572),
    ("class_balanced_sampling", ()): EQUAL,
    ("decoupling", ()): EQUAL,
    ("balanced_softmax", ()): EQUAL,
    ("bcl", ()): EQUAL,
    ("gml", ()): EQUAL,
    ("logit_adjustment", (("tau", 0.5),)): (0.75, 0.25),
    ("logit_adjustment", (("tau", 2.0),)): (0.1, 0.9),
    ("logit_adjustment", (("tau", 0.0),)): AS_DATA,
    ("logit_adjustment_posthoc", (("tau", 0.5),)): (0.75, 0.25),
    ("gda", ()): EQUAL,
    ("smote", ()): EQUAL,
    ("aglu", ()): EQUAL,
    ("aglu", (("adjust", "rel"),)): (0.1, 0.9),
    ("ride", (("base", "cross_entropy"), ("beta", 0.9))): (0.85428, 0.14572),
    ("rf_dlc", ()): EQUAL,
    ("acl", ()): AS_DATA,
    ("afcl", ()): AS_DATA,
    ("fcl", ()): AS_DATA,
    ("majority", ()): AS_DATA,
    ("contrast_to_ce", ()): AS_DATA,
    ("contrast_to_ce", (("balanced", True),)): EQUAL,
    ("score", ()): AS_DATA,
    ("asl", (("form", "softmax"), ("epsilon", 0.0), ("gamma_positive", 0.0))): AS_DATA,
}

# Methods whose logits are no posterior under a prior that follows from their formula, and why.
NONE = {
    "anyloss": "a metric is made large, no likelihood",
    "asl": "focused sigmoids are no softmax, and softened labels no shares",
    "bbn": "two heads, each trained under its own prior, in shares that change",
    "cb_focal": "the focal loss is not proper: its best logits are no posterior",
    "cdt": "logits are divided by temperatures in training and not in prediction",
    "dive": "what is learned is partly the flattened prediction of a teacher",
    "encouraging": "it rewards certainty beyond the shares of the classes",
    "focal": "the focal loss is not proper",
    "imbsam": "the tail's loss is taken at other weights than those predicted with",
    "ib": "a sample's weight depends on what is predicted for it",
    "ldam_drw": "margins; the logits are scaled cosines",
    "lws": "factors alone are trained, and a factor moves no logit across 0",
    "mixup": "labels are mixed, on samples that are never predicted",
    "ncm": "logits are distances",
    "nearest_neighbour": "logits are similarities",
    "pb_sampling": "shares change every epoch",
    "posthoc": "the method that it depends on may be any",
    "remix": "as mixup",
    "ride": "as ldam_drw",
    "selmix": "as mixup",
    "tlc": "as ldam_drw; evidence for other classes costs extra",
    "self_paced_ensemble": "which samples a tree sees depends on what is predicted for them",
    "spcl": "which samples an epoch visits depends on how hard they are",
    "tau_norm": "rows are rescaled and biases dropped after training",
    "vs": "as cdt",
}

# In tests of their own: what they learn decides.
LEARNED = {
    "vanilla_tuned", "sdr", "sdr_joint", "sdr_la", "sdr_released", "ecfp_forest",
    "calibrated_stack", "diverse_stack", "chemprop", "gbdt", "balanced_forest",
}  # fmt: skip


def shares(method):
    return method.implied_log_prior().exp().numpy()


def test_every_method_is_listed_here():
    assert {name for name, _ in KNOWN} | NONE.keys() | LEARNED == set(METHODS.names())


@pytest.mark.parametrize(("name", "options"), KNOWN)
def test_the_prior_that_follows_from_a_loss(name, options):
    method = on_counts(METHODS.get(name).cls, COUNTS, **dict(options))
    assert shares(method) == pytest.approx(KNOWN[name, options], abs=1e-5)


@pytest.mark.parametrize("name", NONE)
def test_none_where_no_prior_follows(name):
    assert on_counts(METHODS.get(name).cls, COUNTS).implied_log_prior() is None


def test_none_under_the_focal_base():
    assert on_counts(METHODS.get("cb").cls, COUNTS, base="focal").implied_log_prior() is None


@pytest.mark.parametrize("options", [{"penalty": 0.5}, {"base": "ldam"}])
def test_none_where_particles_decide_by_utilities_or_cosines(options):
    assert on_counts(METHODS.get("rf_dlc").cls, COUNTS, **options).implied_log_prior() is None


def test_a_tuned_power_of_the_prior():
    method = on_counts(METHODS.get("vanilla_tuned").cls, COUNTS)
    method.tau.fill_(0.5)
    assert shares(method) == pytest.approx((0.75, 0.25))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 90 * 0.5 to 10 * 1.5; without the prior, 0.5 to 1.5.
        ("sdr", (0.75, 0.25)),
        ("sdr_joint", (0.75, 0.25)),
        ("sdr_la", (0.25, 0.75)),
        ("sdr_released", (0.25, 0.75)),
    ],
)
def test_weights_by_distances(name, expected):
    method = on_counts(METHODS.get(name).cls, COUNTS)
    method.omega.copy_(torch.tensor([0.5, 1.5]))
    assert shares(method) == pytest.approx(expected)


def test_a_forest_of_full_trees_less_a_power_of_the_prior():
    method = on_counts(METHODS.get("ecfp_forest").cls, COUNTS)
    assert shares(method) == pytest.approx(AS_DATA)
    method._tau = 0.5  # 90^0.5 to 10^0.5
    assert shares(method) == pytest.approx((0.75, 0.25))


def test_a_forest_that_learns_nothing_gives_the_shares_of_the_prior_that_is_asked_for():
    rng = np.random.default_rng(0)
    atoms = np.array(list("CCCNOS"))
    smiles = ["".join(rng.choice(atoms, 12)) for _ in range(800)]
    labels = (np.arange(800) % 10 == 0).astype(np.int64)  # whatever the molecule
    options = METHODS.get("ecfp_forest").cls.options_type(trees=100, tune=False)
    forest = METHODS.get("ecfp_forest").cls(options, Context(labels[:400], 2, 1, 0))
    train, new = (
        Samples((Entity("smiles", "molecule", smiles[part]),), labels[part])
        for part in (slice(400), slice(400, 800))
    )
    forest.fit(train, train)
    under_data = forest.logits(new) - forest.implied_log_prior().numpy() + np.log(AS_DATA)
    assert softmax(under_data, axis=1)[:, 1].mean() == pytest.approx(0.1, abs=0.03)


def test_a_stack_that_validation_balances():
    stack = METHODS.get("calibrated_stack").cls
    assert shares(on_counts(stack, COUNTS)) == pytest.approx(EQUAL)
    assert on_counts(stack, COUNTS, calibrate=False).implied_log_prior() is None
    assert shares(on_counts(METHODS.get("diverse_stack").cls, COUNTS)) == pytest.approx(EQUAL)


def test_none_is_claimed_for_a_method_that_says_nothing_of_it():
    class Halved(Method):
        def adjust_logits(self, logits):
            return logits / 2

    assert Halved(Halved.options_type(), Context(np.array([0, 1]), 2, 1, 0)
                  ).implied_log_prior() is None  # fmt: skip


def test_a_class_without_weight_counts_as_the_one_of_least():
    found = log_shares(torch.tensor([6.0, 2.0, 0.0]).log()).exp()
    assert found.tolist() == pytest.approx([0.6, 0.2, 0.2])
