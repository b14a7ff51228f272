import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.losses.anyloss import amplified_probabilities, metric_loss
from bench.metrics.confusion import balanced_accuracy

DIGITS = 5.1e-7
METRICS = ("balanced_accuracy", "g_mean", "macro_f1")


@pytest.mark.parametrize(
    ("amplification", "expected"),
    [(10.0, [0.441596, 0.540141, 0.438280]), (73.0, [0.496688, 0.918608, 0.657184])],
)
def test_worked_numbers(logits, target, amplification, expected):
    found = [
        metric_loss(logits, target, amplification=amplification, metric=metric).item()
        for metric in METRICS
    ]
    assert found == pytest.approx(expected, abs=DIGITS)


def test_worked_numbers_of_the_amplified_probabilities(logits):
    found = amplified_probabilities(logits, amplification=10.0)
    assert found[0].tolist() == pytest.approx([0.875177, 0.094159, 0.030664], abs=DIGITS)
    assert found[1].tolist() == pytest.approx([0.478700, 0.279669, 0.241631], abs=DIGITS)


def random_case(seed, size, classes):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(size, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (size,), generator=generator)


def by_loops(logits, target, amplification, metric):
    a = []
    for row in logits.tolist():
        weights = [math.exp(z) for z in row]
        weights = [math.exp(amplification / 2 * w / sum(weights)) for w in weights]
        a.append([w / sum(weights) for w in weights])
    scores = []
    for k in sorted(set(target.tolist())):
        members = [i for i, label in enumerate(target.tolist()) if label == k]
        hits = sum(a[i][k] for i in members)
        if metric == "macro_f1":
            scores.append(2 * hits / (len(members) + sum(row[k] for row in a)))
        else:
            scores.append(hits / len(members))
    if metric == "g_mean":
        return 1 - math.exp(np.mean([math.log(score + 1e-8) for score in scores]))
    return 1 - np.mean(scores)


cases = given(
    st.integers(0, 10**6),
    st.integers(1, 9),
    st.integers(2, 5),
    st.floats(0.1, 80),
    st.sampled_from(METRICS),
)


@cases
def test_equals_the_definition_and_stays_between_0_and_1(
    seed, size, classes, amplification, metric
):
    logits, target = random_case(seed, size, classes)
    found = metric_loss(logits, target, amplification=amplification, metric=metric).item()
    assert found == pytest.approx(by_loops(logits, target, amplification, metric), abs=1e-12)
    assert -1e-8 <= found <= 1


@given(st.floats(-20, 20), st.floats(0.1, 80))
def test_two_classes_are_amplified_as_in_the_paper(margin, amplification):
    logits = torch.tensor([[margin, 0.0]], dtype=torch.float64)
    p = 1 / (1 + math.exp(-margin))
    found = amplified_probabilities(logits, amplification=amplification)
    assert found[0, 0].item() == pytest.approx(
        1 / (1 + math.exp(-amplification * (p - 0.5))), rel=1e-9
    )
    assert found.sum().item() == pytest.approx(1)


def test_without_limit_it_is_one_minus_the_metric_of_the_batch():
    logits, target = random_case(3, 40, 4)
    predicted = logits.argmax(dim=1).numpy()
    found = metric_loss(logits, target, amplification=1e7).item()
    assert found == pytest.approx(1 - balanced_accuracy(target.numpy(), predicted, 4), abs=1e-6)
    recalls = [(predicted[target == k] == k).mean() for k in range(4)]
    assert min(recalls) > 0
    found = metric_loss(logits, target, amplification=1e7, metric="g_mean").item()
    assert found == pytest.approx(1 - np.prod(recalls) ** 0.25, abs=1e-6)

    scores = []
    for k in range(4):
        hits = ((predicted == k) & (target.numpy() == k)).sum()
        scores.append(2 * hits / ((predicted == k).sum() + (target.numpy() == k).sum()))
    found = metric_loss(logits, target, amplification=1e7, metric="macro_f1").item()
    assert found == pytest.approx(1 - np.mean(scores), abs=1e-6)


def test_more_samples_of_a_class_change_no_recall():
    logits, target = random_case(4, 12, 3)
    of_one = torch.nonzero(target == 1)[:, 0]
    again = torch.cat([torch.arange(12), of_one, of_one])
    for metric, is_equal in (("balanced_accuracy", True), ("g_mean", True), ("macro_f1", False)):
        once, thrice = (
            metric_loss(logits[rows], target[rows], amplification=10.0, metric=metric).item()
            for rows in (torch.arange(12), again)
        )
        assert (once == pytest.approx(thrice)) is is_equal


def test_many_equal_classes_keep_a_gradient_that_one_against_the_rest_has_not():
    # One sigmoid a class at p = 1/29 and L = 73.
    p = torch.full((1,), 1 / 29, dtype=torch.float64, requires_grad=True)
    torch.sigmoid(73 * (p - 0.5)).sum().backward()
    assert p.grad.item() / 73 == pytest.approx(math.exp(-34), rel=0.05)
    logits = torch.zeros(1, 29, dtype=torch.float64, requires_grad=True)
    metric_loss(logits, torch.tensor([3]), amplification=73.0).backward()
    assert logits.grad.abs().max() > 0.01


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extremes_stay_finite(metric, dtype):
    logits = torch.tensor([[1e4, 0.0, 0.0], [-1e4, 1e4, 0.0]], dtype=dtype, requires_grad=True)
    loss = metric_loss(logits, torch.tensor([1, 1]), amplification=73.0, metric=metric)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
