"""Trainings with each encoder on the CPU and on the simulated device, repeated to the bit."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from bench.conformance.trial import Case
from tests.simulated_device.device import simulated_device
from tests.simulated_device.subjects import train, train_and_repeat, train_without_waits

CASE = Case(counts=(20, 10), epochs=2)
ENCODERS = ("gin", "gine", "gat", "dmpnn", "attentivefp", "mpnn_ecfp")


@pytest.mark.parametrize("encoder", ENCODERS)
def test_trains_as_on_the_cpu_and_repeats_with_a_stop_bit_for_bit(encoder):
    case, clocks, devices = replace(CASE, backbone=encoder), count(1), []

    def present():
        devices.append(simulated_device(clock=next(clocks)))
        return devices[-1]

    with simulated_device() as device:
        there = replace(case, device=device.device)
    _, result = train_and_repeat("vanilla", there, present)
    _, expected = train("vanilla", case)
    assert result.history[0].train_loss == pytest.approx(expected.history[0].train_loss, rel=1e-4)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_steps_neither_wait_nor_send_anything(encoder):
    marks = []
    with simulated_device() as device:
        case = replace(CASE, backbone=encoder, device=device.device)

        def mark():
            marks.append((device.counts.of("waits"), device.counts.of("copies")))

        train_without_waits("vanilla", case, mark, mark)
    # One mark ends each epoch, and one more begins the steps of the last.
    assert len(marks) == CASE.epochs + 1
    assert marks[-1] == marks[-2]
