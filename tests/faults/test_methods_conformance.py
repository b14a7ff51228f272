"""Every registered method beside its conformance checks: other toy sets, steps and class sizes.

The first of three toy sets is that of tests/conformance/test_methods.py, with all checks.
"""

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from bench.conformance.checks import require_separated
from bench.conformance.run import run_check, subject_of
from bench.conformance.trial import Case
from bench.conformance.verdicts import NotApplicable
from bench.method import usable_methods
from bench.training.optimiser import make_optimiser
from bench.training.settings import TrainingSettings
from bench.training.stages import TrainedPart
from tests.faults.test_training_resume import IN_EPOCHS
from tests.methods.few_trees import FewTrees, few
from tests.methods.trials import trial

FINISHED = FewTrees()
SETS = {
    "two": Case(counts=(150, 15), epochs=3),
    "ten": Case(counts=(24, 22, 20, 18, 16, 14, 12, 10, 8, 5), epochs=4),
}
# What one training shows.
CHECKS = ("trains", "gradients", "inputs_unchanged", "global_random_state", "save_and_load")


@pytest.mark.fault(32)
@pytest.mark.parametrize("toy", SETS)
@pytest.mark.parametrize("name", usable_methods())
def test_a_short_training_on_other_sets(name, toy):
    """A parameter without gradient, a changed input or a lost buffer that one set does not show."""
    subject = replace(subject_of(few(name), FINISHED), case=SETS[toy])
    results = [run_check(check, subject) for check in CHECKS]
    assert [result for result in results if result.verdict == "failed"] == []
    assert results[0].verdict == "ok"


@pytest.mark.slow
@pytest.mark.fault(32)
@pytest.mark.parametrize("counts", [(500, 100), (200,) * 4], ids=["two", "four"])
@pytest.mark.parametrize("name", usable_methods())
def test_separable_sets_are_learned_in_200_steps(name, counts):
    """A gradient of the wrong sign or size; the set of three classes is in the conformance."""
    epochs = 200 // (sum(counts) * 3 // 5 // 64)
    case = Case(counts=counts, epochs=epochs, batch_size=64)
    try:
        require_separated(subject_of(name, FINISHED), case)
    except NotApplicable as reason:
        pytest.skip(str(reason))


@cache
def change_of_loss(name, seed):
    """Loss on a batch after a step on it, less that before; all draws are the same."""
    found = trial(name, Case(seed=seed, epochs=2))
    network, method = found.network, found.method
    method.initialise(network)
    method.begin_stage(0, network)
    part = TrainedPart(network, method, method.stages()[0])
    optimiser = make_optimiser(part.parameters(), TrainingSettings(learning_rate=1e-3))
    batch = found.collator(found.split.train[:48])
    before = copy.deepcopy(network)
    # A method with two parts of training is looked at in the second, which counts.
    epoch = next(epoch for epoch in (1, 2) if method.selectable(epoch))

    def loss():
        method.context.generator.manual_seed(seed)
        # With the network as it was, so that clusters and weights are.
        method.begin_epoch(epoch, before)
        method.sample_epoch(epoch)
        part.train_mode()
        return method.training_step(network, batch)

    first = loss()
    first.backward()
    optimiser.step()
    return loss().item() - first.item()


@pytest.mark.fault(32)
@pytest.mark.parametrize("name", IN_EPOCHS)
def test_one_step_lowers_the_loss_on_average_over_20_seeds(name):
    """A loss that is maximised, or whose gradient does not belong to it."""
    changes = [change_of_loss(name, seed) for seed in range(20)]
    assert np.mean(changes) < 0


@pytest.mark.fault(32)
@pytest.mark.parametrize("name", IN_EPOCHS)
def test_a_last_batch_of_one_sample_is_left_out(name):
    """Statistics of a batch of one sample: 63 samples are a batch of 62 and one too many."""
    sizes = []
    found = trial(name, Case(epochs=2, batch_size=62))
    step = found.method.training_step
    found.method.training_step = lambda network, batch: (
        sizes.append(len(batch)),
        step(network, batch),
    )[1]
    found.train()
    if len(found.method.sample_epoch(1)) == 63:
        assert set(sizes) == {62}
    else:  # epochs that visit a part of the samples
        assert min(sizes) > 1


@pytest.mark.fault(33)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", IN_EPOCHS)
def test_class_sizes_of_a_million_one_and_none(name, precision):
    """Weights, margins, shares or priors made of such counts are infinite or not numbers."""
    found = trial(name)
    network, context = found.network, found.method.context
    network.head.precision = precision
    counts = (10**6, 1, 0)
    skewed = replace(context, labels=np.repeat([0, 1, 2], counts))
    method = type(found.method)(found.method.options, skewed)
    order = method.sample_epoch(1)
    assert 0 <= order.min() <= order.max() <= 10**6
    # From here on the samples are those of the toy set.
    method.context = context
    method.initialise(network)
    method.begin_stage(0, network)
    method.begin_epoch(context.epochs, network)
    method.train()
    labels = found.data.labels[found.split.train]
    batch = found.collator(found.split.train[labels < 2][:32])
    loss = method.training_step(network, batch)
    loss.backward()
    assert loss.isfinite()
    for parameter in (*network.parameters(), *method.parameters()):
        assert parameter.grad is None or parameter.grad.isfinite().all()
