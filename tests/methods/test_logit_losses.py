"""Methods that are only another loss on the network's logits."""

import pytest
import torch

from bench.method import Method
from bench.methods.balanced_softmax import BalancedSoftmax
from bench.methods.cb import ClassBalanced
from bench.methods.cb_focal import ClassBalancedFocal
from bench.methods.cdt import ClassDependentTemperatures
from bench.methods.focal import Focal
from bench.methods.logit_adjustment import LogitAdjustment
from bench.methods.losses.cdt import class_temperatures
from bench.methods.losses.class_weights import effective_number_weights
from bench.methods.vs import VectorScaling
from tests.methods.toy_run import on_counts, toy_run

COUNTS = (100, 20, 5)
LOGITS = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]], dtype=torch.float64)
TARGET = torch.tensor([0, 2])
LOG_PRIOR = (torch.tensor(COUNTS, dtype=torch.float64) / 125).log()


def train_losses(method_type, **options):
    return [line.train_loss for line in toy_run(method_type, **options).train().history]


@pytest.mark.parametrize(
    ("method_type", "options", "expected"),
    [
        (ClassDependentTemperatures, {}, 0.800847),
        (ClassDependentTemperatures, {"gamma": 0.4}, 0.793304),
        (Focal, {}, 0.348785),
        (Focal, {"gamma": 0.5}, 0.638569),
        (ClassBalancedFocal, {"beta": 0.999, "gamma": 0.5}, 1.262329),
        (LogitAdjustment, {"tau": 0.5}, 1.226269),
        (LogitAdjustment, {}, 1.817990),
        (LogitAdjustment, {"tau": 2.0}, 3.218512),
        (VectorScaling, {"gamma": 0.2, "tau": 0.0}, 0.800847),
        (VectorScaling, {"gamma": 0.0, "tau": 2.0}, 3.218512),
    ],
)
def test_worked_losses(method_type, options, expected):
    loss = on_counts(method_type, COUNTS, **options).loss(LOGITS, TARGET)
    assert loss.item() == pytest.approx(expected, abs=5e-7)


def test_worked_losses_of_both_samples_under_half_the_log_prior():
    method = on_counts(LogitAdjustment, COUNTS, tau=0.5)
    each = [method.loss(LOGITS[i : i + 1], TARGET[i : i + 1]).item() for i in range(2)]
    assert each == pytest.approx([0.161824, 2.290713], abs=5e-7)


@pytest.mark.parametrize(
    ("method_type", "options", "relative", "its_options"),
    [
        (Focal, {"gamma": 0.0}, Method, {}),
        (ClassBalancedFocal, {"gamma": 0.0, "beta": 0.0}, Method, {}),
        (ClassBalancedFocal, {"beta": 0.0}, Focal, {}),
        (ClassBalancedFocal, {}, ClassBalanced, {"base": "focal", "gamma": 2.0}),
        (ClassDependentTemperatures, {"gamma": 0.0}, Method, {}),
        (LogitAdjustment, {"tau": 0.0}, Method, {}),
        (LogitAdjustment, {}, BalancedSoftmax, {}),
        (VectorScaling, {"gamma": 0.0, "tau": 0.0}, Method, {}),
        (VectorScaling, {"gamma": 0.0}, BalancedSoftmax, {}),
        (VectorScaling, {"gamma": 0.2, "tau": 0.0}, ClassDependentTemperatures, {}),
    ],
)
def test_limits_train_like_their_relatives(method_type, options, relative, its_options):
    found = train_losses(method_type, epochs=2, **options)
    assert found == pytest.approx(train_losses(relative, epochs=2, **its_options), rel=1e-4)


@pytest.mark.parametrize(
    ("method_type", "options", "optimum"),
    [
        (Focal, {"gamma": 0.0}, LOG_PRIOR),
        (
            ClassBalancedFocal,
            {"beta": 0.99, "gamma": 0.0},
            LOG_PRIOR + effective_number_weights(torch.tensor(COUNTS), beta=0.99).log(),
        ),
        (LogitAdjustment, {}, torch.zeros(3, dtype=torch.float64)),
        (LogitAdjustment, {"tau": 0.5}, 0.5 * LOG_PRIOR),
        (LogitAdjustment, {"tau": 2.0}, -LOG_PRIOR),
        (
            ClassDependentTemperatures,
            {},
            LOG_PRIOR * class_temperatures(torch.tensor(COUNTS), gamma=0.2),
        ),
        (
            VectorScaling,
            {"tau": 0.5},
            0.5 * LOG_PRIOR * class_temperatures(torch.tensor(COUNTS), gamma=0.3),
        ),
    ],
)
def test_logits_learned_where_inputs_say_nothing(method_type, options, optimum):
    labels = torch.arange(3).repeat_interleave(torch.tensor(COUNTS))
    logits = optimum.clone().requires_grad_()
    on_counts(method_type, COUNTS, **options).loss(logits.expand(125, 3), labels).backward()
    assert logits.grad.abs().max() < 1e-12


@pytest.mark.parametrize(
    "method_type",
    [ClassBalancedFocal, ClassDependentTemperatures, Focal, LogitAdjustment, VectorScaling],
)
def test_learns_and_predicts_with_plain_logits(method_type):
    run = toy_run(method_type, epochs=10)
    assert run.train().best_valid_balanced_accuracy > 0.9
    with torch.no_grad():
        plain = run.network(run.collator(run.split.test)).numpy()
    assert (run.test_logits() == plain).all()


@pytest.mark.parametrize(
    "method_type",
    [ClassBalancedFocal, ClassDependentTemperatures, LogitAdjustment, VectorScaling],
)
@pytest.mark.parametrize("counts", [(10**6, 1), (50, 0, 3)])
def test_absent_and_very_rare_classes_leave_the_loss_finite(method_type, counts):
    logits = torch.zeros(2, len(counts), requires_grad=True)
    loss = on_counts(method_type, counts).loss(logits, torch.tensor([0, len(counts) - 1]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
