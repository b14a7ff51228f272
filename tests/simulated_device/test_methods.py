"""Every network method on the simulated device, as it would run on CUDA."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from bench.conformance.resume import first_difference, stop_and_go_on
from bench.conformance.trial import Case, FinishedRuns
from methods.contrastive.method import Augmentation
from tests.simulated_device.costs import CASE, measure, network_methods, trial
from tests.simulated_device.costs import Costs as Of
from tests.simulated_device.device import simulated_device

_FINISHED = FinishedRuns()

_CASE = Case(counts=(40, 20, 10), epochs=3)
# Whether a sum is taken over atoms or over what is distinct among them rounds otherwise.
_TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-2}
# Views of a whole epoch are drawn at once off the CPU, and proteins keep their padding, of which
# dropout draws, too: other draws of the same kind.
_DRAWN_OTHERWISE = ("random", "drop_atoms", "subgraph", "perturb_bonds", "protein_transformer")
_OF_OTHER_DRAWS = 0.2

# Options by which a method takes another path than by default.
_VARIANTS = (
    *(f"sdr[augmentation={name}]" for name in get_args(Augmentation) if name != "random"),
    "sdr[view_form=literal,space=encoder,agg=mean,projection=none]",
    "cb[base=focal]",
    "class_balanced_sampling[redraw=every_epoch]",
    "dive[base=cross_entropy]",
)
_PROTEINS = ("conjoint_triad", "protein_cnn", "protein_transformer")

SUBJECTS = {
    **{text: (text, _CASE) for text in (*network_methods(), *_VARIANTS)},
    **{f"vanilla, {name}": ("vanilla", replace(_CASE, protein=name)) for name in _PROTEINS},
    "sdr, conjoint_triad": ("sdr", replace(_CASE, protein="conjoint_triad")),
    "vanilla, bfloat16": ("vanilla", replace(_CASE, precision="bfloat16")),
}

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
    # The device's own generator starts elsewhere in the second run, as by another clock: what is
    # drawn from it before the loop seeds it makes the runs differ.
    with simulated_device(clock=1) as device:
        there = replace(case, device=device.device)
        whole = trial(text, there, finished=_FINISHED)
        result = whole.train()
        assert np.isfinite(whole.logits()).all()
    assert not device.counts.of("unseeded"), device.counts.lines("unseeded")
    with simulated_device(clock=2):
        resumed = stop_and_go_on(lambda: trial(text, there, finished=_FINISHED), stops={1})
        assert first_difference((whole, result), resumed) is None
    on_cpu = trial(text, case, finished=_FINISHED)
    expected = on_cpu.train()
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
    from methods.vanilla import Vanilla

    step = Vanilla.training_step

    def waits(self, network, batch):
        batch.labels.max().item()
        return step(self, network, batch)

    monkeypatch.setattr(Vanilla, "training_step", waits)
    found, expected = measure("vanilla"), measure("balanced_softmax")
    assert (found.waits, found.copies) == (expected.waits + 1, expected.copies)
