"""A registered method with the finished runs that it depends on, each of them trained once."""

from dataclasses import replace

import numpy as np

from bench.conformance.trial import Case, FinishedRuns, NetworkTrial, untrained
from bench.method import METHODS

_FINISHED = FinishedRuns()


def trial(name, case=None, **options):
    cls = METHODS.get(name).cls
    return untrained(cls, cls.options_type(**options), case or Case(), _FINISHED)


def trained(name, case=None, **options):
    found = trial(name, case, **options)
    found.train()
    return found


def with_run(found: NetworkTrial, role: str, network) -> NetworkTrial:
    """The same trial, built on the weights of `network`."""
    run = replace(found.method.context.runs[role], network_state=network.state_dict())
    runs = {**found.method.context.runs, role: run}
    found.method.context = replace(found.method.context, runs=runs)
    return found


def labels(found: NetworkTrial, part: str) -> np.ndarray:
    return found.data.labels[getattr(found.split, part)]


def equal_states(a, b) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all((left[k] == right[k]).all() for k in left)
