"""What every method must do, a small named function each.

A check takes a :class:`MethodUnderTest` and returns when all is well. It raises
:class:`ConformanceError` with what was expected and got, or :class:`NotApplicable` with the reason.
Any other error that a method raises on the way is a failure too; ``bench.conformance.run`` words
it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from bench.backbone import BACKBONES
from bench.conformance.resume import first_difference, stop_and_go_on
from bench.conformance.shared import (
    did_not_end,
    require_buffers,
    require_texts,
    saved_and_read,
    some_names,
)
from bench.conformance.subject import FirstRun, MethodUnderTest
from bench.conformance.trial import Case, NetworkTrial, Trial
from bench.conformance.verdicts import ConformanceError, NotApplicable
from bench.conformance.watch import InstrumentedMethod, OneClassBatches, TrainingTrace
from bench.errors import HiddenLabelsError, ModelError
from bench.method import Method
from bench.metrics import balanced_accuracy
from bench.objects import objects_from_bytes, objects_to_bytes

Check = Callable[[MethodUnderTest], None]

# In the order in which they are run.
CHECKS: dict[str, Check] = {}

# 25 epochs of 8 batches: 200 steps of a method that visits every sample once an epoch.
_SEPARABLE = Case(counts=(400, 300, 200), epochs=25, batch_size=64)
_SEPARATED = 0.95
# A finished run stops at the first epoch that separates the validation set by its own classifier;
# its features may separate less well.
_SEPARATED_WITHOUT_TRAINING = 0.8

_DOES_NOT_REPEAT = "it does not repeat, see same_seed_same_result"

# What new-method writes to be replaced.
_PLACEHOLDERS = {
    "reference": "authors, venue, year, arXiv number or DOI",
    "docstring of the class": "The idea in a sentence.",
}


def check(function: Check) -> Check:
    """Add a check under its function's name."""
    CHECKS[function.__name__] = function
    return function


# ---------------------------------------------------------------- what it says of itself


@check
def description(subject: MethodUnderTest) -> None:
    """Title, reference, docstring and a description of each option are there and its own."""
    require_texts(
        subject.cls,
        subject.cls.options_type,
        subject.facts,
        "register_method",
        "method",
        _PLACEHOLDERS,
    )


# ---------------------------------------------------------------- one short training


@check
def shapes(subject: MethodUnderTest) -> None:
    """A step returns a scalar loss, predictions are floats of shape (n, K), orders have samples.

    In the first training; what comes of other values is about something else.
    """
    run = subject.first_run
    if isinstance(run, ConformanceError):
        raise run
    if isinstance(run, Exception):
        raise did_not_end(run)


@check
def trains(subject: MethodUnderTest) -> None:
    """A short training ends with finite losses, predictions of shape (n, K) and a plain report."""
    run = subject.first_run
    if isinstance(run, ConformanceError):
        raise did_not_end(run)
    if isinstance(run, Exception):
        raise run
    _require_predictions(run.trial, run.logits)
    try:
        json.dumps(dict(run.trial.report()), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConformanceError("plain finite values from report", str(error)) from error


@check
def gradients(subject: MethodUnderTest) -> None:
    """Every parameter that some stage trains gets a gradient, none an epoch of weight decay alone.

    Adam divides by the size of the gradient: where the loss gives one of zeros, weight decay takes
    a parameter to 0 in some hundred steps.
    """
    seen = _seen(subject)
    if missed := seen.trained - seen.reached:
        raise ConformanceError(
            "a gradient other than zero for every trained parameter at some step",
            f"none in {some_names(missed)}; use it in the loss, freeze it, or make it a buffer",
        )
    if seen.decayed:
        raise ConformanceError(
            "in every epoch a gradient other than zero, or none at all",
            f"zeros in {some_names(seen.decayed)}, which weight decay alone then moves; leave out "
            "of the loss what has no weight",
        )


@check
def frozen_parts(subject: MethodUnderTest) -> None:
    """What a stage freezes is the same after it, to the bit, buffers included."""
    seen = _seen(subject)
    if not seen.frozen:
        raise NotApplicable("no stage freezes anything")
    if seen.moved:
        raise ConformanceError(
            "frozen parts to stay as they are", f"changes in {some_names(seen.moved)}"
        )


@check
def inputs_unchanged(subject: MethodUnderTest) -> None:
    """A training step writes to no part of its batch."""
    if written := _seen(subject).written:
        raise ConformanceError(
            "the batch as it was after training_step", f"changes in {some_names(written)}"
        )


@check
def order_of_samples(subject: MethodUnderTest) -> None:
    """Each epoch visits positions of training samples, in an order of its own."""
    orders = _seen(subject).orders
    size = len(_network_trial(_first_run(subject).trial).method.context.labels)
    for order in orders:
        if order.min() < 0 or order.max() >= size:
            raise ConformanceError(f"positions in 0..{size - 1}", f"{order.min()}..{order.max()}")
    if len(orders) > 1 and all(np.array_equal(order, orders[0]) for order in orders[1:]):
        raise ConformanceError("another order in another epoch", "the same in all")


@check
def global_random_state(subject: MethodUnderTest) -> None:
    """The global random state of torch, NumPy and Python is left alone."""
    touched = _first_run(subject).touched
    # A package may draw while it is imported, which happens once a process: as in sklearn, rich.
    if touched and (touched := touched & subject.watched_run().touched):
        raise ConformanceError(
            "draws from self.context.generator or self.context.rng(...) only",
            f"a changed global state of {some_names(touched)}",
        )


@check
def state_in_buffers(subject: MethodUnderTest) -> None:
    """Tensors that a method keeps are buffers or parameters."""
    method = _network_trial(_first_run(subject).trial).method
    require_buffers(method)


@check
def save_and_load(subject: MethodUnderTest) -> None:
    """What is saved of a run, loaded into fresh objects, gives the same predictions."""
    run = _first_run(subject)
    if not isinstance(run.trial, NetworkTrial):
        _save_and_load_objects(subject, run)
        return
    trained, fresh = _network_trial(run.trial), _network_trial(subject.untrained(subject.case))
    try:
        fresh.load(saved_and_read(trained.state()))
    except (RuntimeError, ModelError) as error:
        raise ConformanceError(
            "modules and buffers made in setup or initialise, parameters of shapes known there",
            " ".join(str(error).split()),
        ) from error
    if not np.array_equal(fresh.logits(), run.logits):
        raise ConformanceError(
            "the same predictions after save and load",
            f"{_difference(fresh.logits(), run.logits)}; keep what was learned in buffers",
        )


@check
def goes_on_after_a_stop(subject: MethodUnderTest) -> None:
    """Stopped after every epoch and gone on each time in a fresh object, it ends the same."""
    _seen(subject)
    whole = _network_trial(subject.untrained(subject.case))
    expected = whole.train()
    resumed = stop_and_go_on(
        lambda: _network_trial(subject.untrained(subject.case)),
        stops=range(1, subject.case.epochs + 1),
    )
    if found := first_difference((whole, expected), resumed):
        raise ConformanceError(
            "a run that goes on after a stop to end with the bits of one that never stopped",
            f"{found}; keep what changes in training in buffers (self.register_buffer), and set "
            "what depends on the epoch alone in begin_epoch: begin_stage is not called again",
        )


@check
def prediction_of_one(subject: MethodUnderTest) -> None:
    """The prediction for a sample does not depend on the samples beside it.

    A fresh object is asked, trained alike, for molecules that are in the test set alone: nothing
    that is remembered of an earlier prediction can help.
    """
    run = _first_run(subject)
    asked = _of_test_alone(run.trial)[:6]
    fresh = subject.untrained(subject.case)
    fresh.fit()
    alone = np.concatenate([fresh.logits(run.trial.split.test[[place]]) for place in asked])
    among = run.logits[asked]
    if np.allclose(alone, among, rtol=1e-4, atol=1e-4):
        return
    if not np.array_equal(subject.third_run, run.logits):
        raise NotApplicable(_DOES_NOT_REPEAT)
    raise ConformanceError(
        "the same logits for a sample alone and among others",
        f"{_difference(alone, among)}; means and shares are those of training and validation, "
        "never of the samples that are asked about",
    )


@check
def predicts_without_labels(subject: MethodUnderTest) -> None:
    """Predictions read no labels, and are the same to the bit when the test set has others."""
    run = subject.first_run
    if isinstance(run, HiddenLabelsError):
        raise ConformanceError("a method that reads no label of what it predicts", str(run))
    first = _first_run(subject).logits
    if np.array_equal(subject.second_run, first):
        return
    if not np.array_equal(subject.third_run, first):
        raise NotApplicable(_DOES_NOT_REPEAT)
    raise ConformanceError(
        "the same predictions whatever the labels of the test set",
        f"{_difference(subject.second_run, first)} when these are permuted; labels are in the "
        "batches of training_step, in self.context.labels and in self.context.view",
    )


# ---------------------------------------------------------------- seeds


@check
def same_seed_same_result(subject: MethodUnderTest) -> None:
    """The same seed gives the same predictions to the bit, whatever the global random state."""
    run = _first_run(subject)
    if np.array_equal(subject.second_run, run.logits):
        return
    again = subject.third_run
    if not np.array_equal(again, run.logits):
        raise ConformanceError("equal predictions from equal seeds", _difference(again, run.logits))


@check
def other_seed_other_result(subject: MethodUnderTest) -> None:
    """Another seed gives other predictions."""
    run = _first_run(subject)
    if not isinstance(run.trial, NetworkTrial):
        raise NotApplicable("an estimator may be deterministic")
    if np.array_equal(
        subject.trained(replace(subject.case, seed=subject.case.seed + 1)).logits(), run.logits
    ):
        raise ConformanceError("other predictions from another seed", "the same to the bit")


# ---------------------------------------------------------------- learning


@check
def learns_a_separable_set(subject: MethodUnderTest) -> None:
    """Three well-separated classes are separated after 200 steps."""
    _first_run(subject)
    require_separated(subject, _SEPARABLE)


def require_separated(subject: MethodUnderTest, case: Case) -> None:
    """Train on well-separated classes and ask that they are separated.

    Raises
    ------
    NotApplicable
        The method reads no inputs.
    ConformanceError
        Balanced accuracy is below 95 %, or 80 % of a method that trains no network of its own.
    """
    if not getattr(subject.cls, "reads_inputs", True):
        raise NotApplicable("it predicts the same whatever the input")
    trial = subject.trained(case)
    # Over all parts: the few test samples alone would make one mistake look like many.
    found = trial.logits(np.arange(len(trial.data))).argmax(axis=1)
    score = balanced_accuracy(trial.data.labels, found, trial.data.num_classes)
    post_hoc = isinstance(trial, NetworkTrial) and not trial.method.stages()
    least = _SEPARATED_WITHOUT_TRAINING if post_hoc else _SEPARATED
    if score < least:
        raise ConformanceError(f"a balanced accuracy of {least:.0%} or more", f"{score:.1%}")


# ---------------------------------------------------------------- corners


@check
def two_classes(subject: MethodUnderTest) -> None:
    """Two classes."""
    _require_training(subject, Case(counts=(60, 20)))


@check
def ten_classes(subject: MethodUnderTest) -> None:
    """Ten classes, the smallest with three training samples."""
    _require_training(subject, Case(counts=(24, 22, 20, 18, 16, 14, 12, 10, 8, 5)))


@check
def class_without_training_samples(subject: MethodUnderTest) -> None:
    """A class that occurs in validation and test only."""
    _require_training(subject, Case(counts=(60, 30, 15), train_counts=((1, 0),)))


@check
def class_with_one_training_sample(subject: MethodUnderTest) -> None:
    """A class with one training sample."""
    _require_training(subject, Case(counts=(60, 30, 15), train_counts=((2, 1),)))


@check
def batch_of_one_sample(subject: MethodUnderTest) -> None:
    """Training steps on one sample at a time."""
    _require_network(subject)
    _require_training(subject, Case(counts=(10, 5, 5), batch_size=1))


@check
def batch_of_one_class(subject: MethodUnderTest) -> None:
    """Training steps on samples of one class only."""
    _require_network(subject)
    _require_training(subject, Case(counts=(60, 60, 60), batch_size=9), OneClassBatches)


@check
def one_atom_molecules(subject: MethodUnderTest) -> None:
    """Molecules of one atom, without a bond, in batches and alone."""
    _require_training(subject, Case(most_atoms=1))
    if issubclass(subject.cls, Method):
        _require_training(subject, Case(counts=(5, 5), most_atoms=1, batch_size=1))


@check
def double_precision(subject: MethodUnderTest) -> None:
    """A network in float64: what a method adds has the type of the logits, ``.to(logits)``."""
    _require_network(subject)
    _require_training(subject, Case(dtype=torch.float64))


@check
def dgl_backend(subject: MethodUnderTest) -> None:
    """The network on the DGL backend."""
    _require_network(subject)
    if "gcn_dgl" not in BACKBONES:
        raise NotApplicable(f"gcn_dgl cannot be used here: {BACKBONES.unavailable()['gcn_dgl']}")
    _require_training(subject, Case(backbone="gcn_dgl"))


# ---------------------------------------------------------------- helpers


def _first_run(subject: MethodUnderTest) -> FirstRun:
    run = subject.first_run
    if isinstance(run, Exception):
        raise did_not_end(run)
    return run


def _network_trial(trial: Trial) -> NetworkTrial:
    if not isinstance(trial, NetworkTrial):
        raise NotApplicable("it trains no network")
    return trial


def _of_test_alone(trial: Trial) -> np.ndarray:
    """Places in the test set of the samples whose molecules no other part has."""
    (molecules, *_), split = trial.data.entities, trial.split
    texts = np.array(trial.data.smiles)[molecules.index]
    elsewhere = np.concatenate([split.train, split.valid])
    return np.flatnonzero(~np.isin(texts[split.test], texts[elsewhere]))


def _seen(subject: MethodUnderTest) -> TrainingTrace:
    """What was seen of the first training of a method that trains in stages."""
    method = _network_trial(_first_run(subject).trial).method
    assert isinstance(method, InstrumentedMethod)
    if not method.stages():
        raise NotApplicable("it trains nothing, it works on a finished run")
    return method.watch.seen


def _save_and_load_objects(subject: MethodUnderTest, run: FirstRun) -> None:
    assert not isinstance(run.trial, NetworkTrial)
    state = run.trial.state()
    if state is None:
        raise NotApplicable("it keeps no model")
    fresh = subject.untrained(subject.case)
    assert not isinstance(fresh, NetworkTrial)
    try:
        fresh.load(objects_from_bytes(objects_to_bytes(state)))
        found = fresh.logits()
    except Exception as error:  # whatever a method makes of a state
        raise ConformanceError(
            "a state of arrays and trusted objects of scikit-learn that load_state takes",
            f"{type(error).__name__}: {error}",
        ) from error
    if not np.array_equal(found, run.logits):
        raise ConformanceError(
            "the same predictions from what state gave",
            _difference(found, run.logits),
        )


def _require_network(subject: MethodUnderTest) -> None:
    if not issubclass(subject.cls, Method):
        raise NotApplicable("it trains no network")


def _require_training(subject: MethodUnderTest, case: Case, *mixins: type[Method]) -> None:
    """A training on `case` ends with predictions as they should be."""
    _first_run(subject)
    trial = subject.trained(case, *mixins)
    _require_predictions(trial, trial.logits())


def _require_predictions(trial: Trial, logits: np.ndarray) -> None:
    shape = (len(trial.split.test), trial.data.num_classes)
    if logits.shape != shape:
        raise ConformanceError(f"logits of shape {shape}", f"{logits.shape}")
    if not np.isfinite(logits).all():
        raise ConformanceError("finite logits", f"{np.count_nonzero(~np.isfinite(logits))} others")


def _difference(got: np.ndarray, expected: np.ndarray) -> str:
    if got.shape != expected.shape:
        return f"shape {got.shape} instead of {expected.shape}"
    return f"logits that differ by up to {np.abs(got - expected).max():.3g}"
