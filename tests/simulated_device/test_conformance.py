"""The checks of every method, made on a device."""

from __future__ import annotations

import pytest
import torch

from bench.conformance.checks import CHECKS
from bench.conformance.run import run_check, subject_of
from bench.conformance.subject import Subject
from bench.conformance.trial import Case, FinishedRuns
from bench.method import Method
from bench.options import Options
from tests.simulated_device.device import simulated_device
from tests.simulated_device.subjects import WAIT_FOR_NOTHING

# DGL knows no such device, and 200 steps take long on it.
_ELSEWHERE = ("dgl_backend", "learns_a_separable_set")


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
        subject = Subject(DrawsOnTheDevice, Options(), {}, FinishedRuns(), case)
        state = torch.get_device_module(device.device).get_rng_state()
        result = run_check(check, subject)
        after = torch.get_device_module(device.device).get_rng_state()
    assert result.verdict == "failed"
    assert torch.equal(after, state)
