"""A method under test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from bench.conformance.randomness import global_random_state, keep_global_random_state
from bench.conformance.trial import Case, FinishedRuns, Trial, untrained
from bench.conformance.watch import instrumented
from bench.method import AnyMethod
from bench.options import Options


@dataclass(frozen=True)
class FirstRun:
    """A training that many checks look at.

    Attributes
    ----------
    trial : NetworkTrial, EstimatorTrial or EnsembleTrial
        Its method is one of those of :func:`~bench.conformance.watch.instrumented`.
    logits : ndarray, shape (n, K)
        Predictions for the test set.
    touched : set of str
        Packages whose global random state the training or the prediction changed.
    """

    trial: Trial
    logits: np.ndarray
    touched: set[str]


@dataclass
class MethodUnderTest:
    """A method under test, with the trainings that several checks look at.

    Attributes
    ----------
    cls : type of Method, Estimator or Ensemble
    options : Options
    facts : mapping
        What the decorator was given: title, group, reference, version.
    finished : FinishedRuns
        Where required runs come from; one for many subjects saves training them again.
    case : Case
        The toy data and the budget of checks that ask for no other.
    """

    cls: AnyMethod
    options: Options
    facts: Mapping[str, Any]
    finished: FinishedRuns
    case: Case = field(default_factory=Case)

    @property
    def device(self) -> torch.device:
        """Where networks are trained."""
        return self.case.device

    def trained(self, case: Case, *mixins: AnyMethod) -> Trial:
        """The method trained on `case`; `mixins` go before it in the order of its bases."""
        trial = self.untrained(case, *mixins)
        trial.train()
        return trial

    def untrained(self, case: Case, *mixins: AnyMethod) -> Trial:
        """The method and its network before training; device and proteins as :attr:`case` says."""
        protein = case.protein or self.case.protein
        case = replace(case, device=self.case.device, protein=protein)
        cls = type(self.cls.__name__, (*mixins, self.cls), {}) if mixins else self.cls
        return untrained(cls, self.options, case, self.finished)

    @cached_property
    def second_run(self) -> np.ndarray:
        """Predictions of a second training: other global random state, other test labels."""
        with keep_global_random_state(self.case.device, seed=12345):
            return self.trained(replace(self.case, permuted_test_labels=True)).logits()

    @cached_property
    def third_run(self) -> np.ndarray:
        """As the second, with the test labels of the first; needed where those two differ."""
        with keep_global_random_state(self.case.device, seed=12345):
            return self.trained(self.case).logits()

    @cached_property
    def first_run(self) -> FirstRun | Exception:
        """The method trained once under watch, or what it raised."""
        try:
            return self.watched_run()
        except Exception as error:  # whatever a method raises is for the first check to report
            return error

    def watched_run(self) -> FirstRun:
        """The method trained under watch, again each time."""
        before = global_random_state(self.case.device)
        trial = self.trained(self.case, instrumented(self.cls))
        logits = trial.logits()
        after = global_random_state(self.case.device)
        touched = {name for name, state in before.items() if state != after[name]}
        return FirstRun(trial, logits, touched)
