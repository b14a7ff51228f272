"""Every network method on the simulated device, as it would run on CUDA."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import pytest

from tests.simulated_device.costs import CASE, measure
from tests.simulated_device.costs import Costs as Of
from tests.simulated_device.device import simulated_device
from tests.simulated_device.subjects import (
    SUBJECTS,
    WAIT_FOR_NOTHING,
    train,
    train_and_repeat,
    train_without_waits,
)

# Whether a sum is taken over atoms or over what is distinct among them rounds otherwise.
_TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-2}
# Views of a whole epoch are drawn at once off the CPU, and proteins keep their padding, of which
# dropout draws, too: other draws of the same kind.
_DRAWN_OTHERWISE = ("random", "drop_atoms", "subgraph", "perturb_bonds", "protein_transformer")
_OF_OTHER_DRAWS = 0.2

# What a step costs: launches, waits, copies; an epoch: waits, copies. It says how long the host
# keeps a device from its work: a line that waits shows here and nowhere else. Where a change makes
# figures smaller, `python -m tests.simulated_device` prints the new ones.
COSTS = {
    "vanilla": Of(121, 0, 0, 3, 1),
    "sdr": Of(386, 0, 0, 23, 9),
}


@pytest.mark.parametrize(("text", "case"), SUBJECTS.values(), ids=SUBJECTS)
def test_trains_as_on_the_cpu_and_repeats_with_a_stop_bit_for_bit(text, case):
    """Tensors of two devices in one operation, and all else that CUDA refuses, raise by itself."""
    clocks = count(1)
    devices = []

    @contextmanager
    def present():
        # The device's own generator starts elsewhere each time, as by another clock: what is drawn
        # from it before the loop seeds it makes trainings differ.
        with simulated_device(clock=next(clocks)) as device:
            devices.append(device)
            yield

    with simulated_device() as device:
        there = replace(case, device=device.device)
    _, result = train_and_repeat(text, there, present)
    for device in devices:
        assert not device.counts.of("unseeded"), device.counts.lines("unseeded")
    on_cpu, expected = train(text, case)
    drawn = {case.protein, getattr(on_cpu.method.options, "augmentation", None)}
    tolerance = _TOLERANCE[case.precision]
    if drawn.intersection(_DRAWN_OTHERWISE):
        tolerance = _OF_OTHER_DRAWS
    if result.history:
        assert result.history[0].train_loss == pytest.approx(
            expected.history[0].train_loss, rel=tolerance
        )


@pytest.mark.parametrize("text", COSTS)
def test_costs_of_a_step_and_an_epoch(text):
    found = measure(text, CASE)
    assert found == COSTS[text], "\n" + found.counts.lines("waits", "copies", "launches")


def test_measured_costs_grow_with_a_line_that_waits(monkeypatch):
    from bench.methods.vanilla import Vanilla

    step = Vanilla.training_step

    def waits(self, network, batch):
        batch.labels.max().item()
        return step(self, network, batch)

    monkeypatch.setattr(Vanilla, "training_step", waits)
    found, expected = measure("vanilla"), measure("balanced_softmax")
    assert (found.waits, found.copies) == (expected.waits + 1, expected.copies)


@pytest.mark.parametrize("text", WAIT_FOR_NOTHING)
def test_steps_neither_wait_nor_send_anything(text):
    marks = []
    with simulated_device() as device:
        case = replace(CASE, device=device.device)

        def mark():
            marks.append((device.counts.of("waits"), device.counts.of("copies")))

        train_without_waits(text, case, mark, mark)
    # One mark ends each epoch, and one more begins the steps of the last.
    assert len(marks) == CASE.epochs + 1
    assert marks[-1] == marks[-2]
