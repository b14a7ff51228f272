"""The checks of methods and encoders, made on a device."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.backbone import BACKBONES, CategoryBackbone
from bench.conformance.checks import CHECKS
from bench.conformance.encoder import EncoderUnderTest
from bench.conformance.run import encoder_of, run_check, run_checks, subject_of
from bench.conformance.subject import MethodUnderTest
from bench.conformance.trial import Case, FinishedRuns
from bench.method import Method
from bench.options import Options
from tests.simulated_device.device import simulated_device
from tests.simulated_device.subjects import WAIT_FOR_NOTHING

# DGL knows no such device, and 200 steps take long on it.
_ELSEWHERE = ("dgl_backend", "learns_a_separable_set")
_NOT_THERE = ("gcn_dgl",)


@pytest.mark.parametrize("text", WAIT_FOR_NOTHING)
def test_a_method_passes_the_checks_on_the_device(text):
    with simulated_device() as device:
        subject = subject_of(text, FinishedRuns(), device.device)
        results = [run_check(check, subject) for check in CHECKS if check not in _ELSEWHERE]
    assert {r.check: r.text for r in results if r.verdict == "failed"} == {}


class DrawsOnTheDevice(Method):
    """Scales its loss by what the device's own generator gives before training."""

    def initialise(self, network):
        device = next(network.parameters()).device
        self.register_buffer("scale", torch.rand(1, device=device))

    def loss(self, logits, labels):
        return super().loss(logits, labels) * self.scale


@pytest.mark.parametrize("check", ["global_random_state", "same_seed_same_result"])
def test_draws_from_the_devices_own_generator_are_caught(check):
    with simulated_device() as device:
        case = Case(device=device.device)
        subject = MethodUnderTest(DrawsOnTheDevice, Options(), {}, FinishedRuns(), case)
        state = torch.get_device_module(device.device).get_rng_state()
        result = run_check(check, subject)
        after = torch.get_device_module(device.device).get_rng_state()
    assert result.verdict == "failed"
    assert torch.equal(after, state)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_an_encoder_passes_the_checks_on_the_device(name):
    if name in _NOT_THERE:
        pytest.skip("DGL knows no such device")
    with simulated_device() as device:
        subject = encoder_of(name, device.device)
        results = list(run_checks(subject))
    assert {r.check: r.text for r in results if r.verdict == "failed"} == {}


class KeepsItsTensorBehind(CategoryBackbone):
    """Adds a tensor that does not move along."""

    def __init__(self, num_categories, options):
        super().__init__(num_categories, options)
        self.embedding = nn.Embedding(num_categories, 4)
        self.shift = torch.ones(4)
        self.out_features = 4

    def forward(self, rows):
        return self.embedding(rows) + self.shift


def test_an_encoder_that_leaves_a_tensor_behind_is_caught():
    with simulated_device() as device:
        broken = EncoderUnderTest(KeepsItsTensorBehind, Options(), {}, device.device)
        result = run_check("trains", broken)
    assert result.verdict == "failed"
    assert "same device" in result.text
