import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.losses.class_weights import effective_number_weights, inverse_frequency_weights
from bench.methods.losses.cross_entropy import weighted_cross_entropy

DIGITS = 5e-7  # half a unit of the last printed digit


def test_unit_weights_give_the_worked_cross_entropy(logits, target):
    each = cross_entropy(logits, target, reduction="none")
    assert each.tolist() == pytest.approx([0.349012, 1.280099], abs=DIGITS)
    for reduction in ("plain", "normalised"):
        loss = weighted_cross_entropy(logits, target, torch.ones(3), reduction=reduction)
        assert loss.item() == pytest.approx(0.814556, abs=DIGITS)


@pytest.mark.parametrize(
    ("beta", "weights", "plain", "normalised"),
    [
        (0.0, [1, 1, 1], 0.814556, 0.814556),
        (0.9, [0.654986, 0.745618, 1.599396], 1.137991, 1.009582),
        (0.99, [0.172245, 0.599681, 2.228074], 1.456135, 1.213285),
        (0.999, [0.120552, 0.579347, 2.300101], 1.493215, 1.233729),
        (1 - 1e-9, [0.115385, 0.576923, 2.307692], 1.497173, 1.235761),
    ],
)
def test_class_balanced_worked_numbers(counts, logits, target, beta, weights, plain, normalised):
    found = effective_number_weights(counts, beta=beta)
    assert found.tolist() == pytest.approx(weights, abs=DIGITS)
    for reduction, expected in (("plain", plain), ("normalised", normalised)):
        loss = weighted_cross_entropy(logits, target, found, reduction=reduction)
        assert loss.item() == pytest.approx(expected, abs=DIGITS)


@pytest.mark.parametrize(
    ("gamma", "weights", "plain", "normalised"),
    [(1.0, [0.05, 0.25, 1.0], 0.648775, 1.235761), (0.5, [0.223607, 0.5, 1.0], None, 1.109948)],
)
def test_cost_sensitive_worked_numbers(counts, logits, target, gamma, weights, plain, normalised):
    found = inverse_frequency_weights(counts, gamma=gamma)
    assert found.tolist() == pytest.approx(weights, abs=DIGITS)
    loss = weighted_cross_entropy(logits, target, found, reduction="normalised")
    assert loss.item() == pytest.approx(normalised, abs=DIGITS)
    if plain is not None:
        loss = weighted_cross_entropy(logits, target, found, reduction="plain")
        assert loss.item() == pytest.approx(plain, abs=DIGITS)


@pytest.mark.parametrize(
    ("beta", "hiv", "sbap", "uspto"),
    [
        (0.9, 1.000, 1.000, 1.000),
        (0.99, 1.000, 1.003, 1.247),
        (0.999, 1.572, 2.226, 6.721),
        (0.9999, 9.762, 15.349, 40.900),
        (0.99999, 24.136, 33.101, 62.469),
    ],
)
def test_weight_ratios_at_the_counts_of_the_real_sets(beta, hiv, sbap, uspto):
    sets = {(27779, 1010): hiv, (21902, 596): sbap, (10591, 161): uspto}
    for counts, ratio in sets.items():
        head, tail = effective_number_weights(torch.tensor(counts), beta=beta).tolist()
        assert tail / head == pytest.approx(ratio, abs=5e-4)


def test_two_classes_of_1000_and_10_samples():
    weights = effective_number_weights(torch.tensor([1000, 10]), beta=0.999)
    assert weights.tolist() == pytest.approx([0.0310003, 1.9690], abs=5e-5)


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=12).filter(any),
    st.floats(0, 1, exclude_max=True),
)
def test_class_balanced_weights_have_mean_one_and_fall_with_the_count(counts, beta):
    weights = effective_number_weights(torch.tensor(counts), beta=beta)
    present = torch.tensor(counts) > 0
    assert torch.isfinite(weights).all()
    assert (weights[~present] == 0).all()
    assert weights[present].mean().item() == pytest.approx(1)
    order = torch.tensor(counts)[present].argsort()
    assert (weights[present][order].diff() <= 1e-12).all()


def test_normalised_cost_sensitive_is_the_limit_of_class_balanced(counts, logits, target):
    losses = [
        weighted_cross_entropy(logits, target, weights, reduction="normalised").item()
        for weights in (
            effective_number_weights(counts, beta=1 - 1e-12),
            inverse_frequency_weights(counts, gamma=1.0),
        )
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_no_exponent_or_equal_counts_leave_every_class_at_one():
    assert inverse_frequency_weights(torch.tensor([100, 20, 5]), gamma=0.0).tolist() == [1, 1, 1]
    assert inverse_frequency_weights(torch.tensor([7, 7, 7]), gamma=1.0).tolist() == [1, 1, 1]
    assert effective_number_weights(torch.tensor([7, 7]), beta=0.99).tolist() == [1, 1]


def test_scale_of_weights_matters_under_the_plain_reduction_only(counts, logits, target):
    weights = inverse_frequency_weights(counts, gamma=1.0)
    plain, normalised = (
        [
            weighted_cross_entropy(logits, target, scale * weights, reduction=reduction).item()
            for scale in (1, 10)
        ]
        for reduction in ("plain", "normalised")
    )
    assert plain[1] == pytest.approx(10 * plain[0])
    assert normalised[1] == pytest.approx(normalised[0])


def test_a_batch_of_one_class_is_unweighted_when_normalised(counts, logits):
    target = torch.tensor([2, 2])
    weights = inverse_frequency_weights(counts, gamma=1.0)
    loss = weighted_cross_entropy(logits, target, weights, reduction="normalised")
    assert loss.item() == pytest.approx(cross_entropy(logits, target).item())
