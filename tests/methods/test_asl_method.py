import math

import pytest
import torch

from bench.methods.asl import AsymmetricLoss
from tests.methods.toy_run import toy_run


@pytest.mark.parametrize(("counts", "bias"), [((60, 30, 15), -math.log(2)), ((60, 20), 0.0)])
def test_sigmoids_start_at_one_part_in_k(counts, bias):
    run = toy_run(AsymmetricLoss, counts=counts)
    run.method.initialise(run.network)
    assert run.network.head.classifier.bias.tolist() == pytest.approx([bias] * len(counts))


def test_biases_of_the_softmax_form_stay_as_they_are_drawn():
    run = toy_run(AsymmetricLoss, form="softmax")
    before = run.network.head.classifier.bias.clone()
    run.method.initialise(run.network)
    assert torch.equal(run.network.head.classifier.bias, before)


def test_hard_labels_and_no_exponents_are_a_posterior_and_nothing_else_is():
    exact = {"form": "softmax", "gamma_positive": 0.0, "epsilon": 0.0}
    found = toy_run(AsymmetricLoss, **exact).method.implied_log_prior().exp()
    assert found.argmax() == 0
    for changed in ({"form": "sigmoid"}, {"gamma_positive": 0.5}, {"epsilon": 0.1}):
        assert toy_run(AsymmetricLoss, **{**exact, **changed}).method.implied_log_prior() is None
