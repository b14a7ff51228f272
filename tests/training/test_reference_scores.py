"""Every method's score on a long-tailed toy set is what it was: neither worse nor better.

`reference_scores.csv` holds mean and standard deviation of each method over seeds 0 to 19. Where
results are meant to change, or a method is new, this command renews the lines of the methods named
(of all when none is), and the difference is for the reviewer to read:

    python -m tests.training.test_reference_scores METHOD ...

The test trains with three other seeds; their mean must lie within `BOUND` standard errors of the
difference, ``s sqrt(1/20 + 1/3)``. A processor or library that rounds otherwise draws all scores
again, so the bound holds for all methods together: where none has changed, one or more lies outside
with probability 0.1 % (Bonferroni; Student's t with 19 degrees of freedom, as s is estimated from
20 runs).
"""

import csv
import sys
from dataclasses import replace
from functools import cache
from math import inf, sqrt
from pathlib import Path
from statistics import mean, stdev

import pytest
import torch
from scipy.special import stdtrit

import bench.methods.balanced_softmax
from bench.conformance.run import subject_of
from bench.conformance.trial import Case, FinishedRuns
from bench.method import METHODS
from bench.metrics import balanced_accuracy

REFERENCE = Path(__file__).with_name("reference_scores.csv")
SEEDS, FRESH_SEEDS = range(20), range(100, 103)
# 180, 60 and 12 training samples, and 60 of each class in the test set; 0.6 of the atoms say
# nothing, so that tail recall is what methods differ in and no score is near 0 or 1.
CASE = Case(
    counts=(300, 300, 300),
    train_counts=((1, 60), (2, 12)),
    most_atoms=8,
    noise=0.6,
    epochs=8,
    batch_size=32,
)
FINISHED = FinishedRuns()
FALSE_ALARM = 0.001  # of all methods together
# The code of chemprop is another's; tests hold its row to its own command.
NAMES = [name for name in METHODS.names() if name != "chemprop"]
BOUND = stdtrit(len(SEEDS) - 1, 1 - FALSE_ALARM / len(NAMES) / 2)


def score(name, seed, case=CASE):
    """Balanced accuracy on the test set."""
    found = subject_of(name, FINISHED).trained(replace(case, seed=seed))
    predicted = found.logits().argmax(axis=1)
    return balanced_accuracy(found.data.labels[found.split.test], predicted, len(case.counts))


@cache
def reference():
    with REFERENCE.open(newline="") as file:
        return {
            row["method"]: (float(row["mean"]), float(row["standard_deviation"]))
            for row in csv.DictReader(file)
        }


def standard_errors(name, scores):
    """How many of them the mean of `scores` lies above the reference."""
    centre, deviation = reference()[name]
    if not deviation:  # a method that draws nothing: equal, to the digits written, or not
        return 0.0 if abs(mean(scores) - centre) < 1e-6 else inf
    return (mean(scores) - centre) / (deviation * sqrt(1 / len(SEEDS) + 1 / len(scores)))


@pytest.fixture(autouse=True)
def one_thread():
    """As in every run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.fault(64)
@pytest.mark.parametrize("name", NAMES)
def test_score_is_within_the_bound(name):
    """A change that makes a method worse, or too good, without breaking anything."""
    if name not in reference():
        pytest.fail(f"{REFERENCE.name} has no line for {name}: see the first lines of this file.")
    assert abs(standard_errors(name, [score(name, seed) for seed in FRESH_SEEDS])) < BOUND


def test_every_line_is_of_a_method():
    assert reference().keys() <= set(NAMES)


def test_methods_differ_and_scores_are_far_from_the_ends():
    means = [centre for name, (centre, _) in reference().items() if name != "majority"]
    assert 0.4 < min(means) < 0.65
    assert 0.7 < max(means) < 0.9


@pytest.mark.fault(64)
def test_a_prior_of_the_wrong_sign_is_caught(monkeypatch):
    """The mistake that nothing else would show: the loss falls, gradients are right."""
    loss = bench.methods.balanced_softmax.balanced_softmax_loss
    monkeypatch.setattr(
        bench.methods.balanced_softmax,
        "balanced_softmax_loss",
        lambda z, y, prior: loss(z, y, -prior),
    )
    scores = [score("balanced_softmax", seed) for seed in FRESH_SEEDS]
    assert standard_errors("balanced_softmax", scores) < -BOUND


@pytest.mark.fault(64)
@pytest.mark.parametrize("name", ["vanilla", "balanced_softmax", "ecfp_forest"])
def test_labels_that_leak_into_features_are_caught(name):
    """Scores that are too good: half of the atoms that said nothing tell the class."""
    scores = [score(name, seed, replace(CASE, noise=0.3)) for seed in FRESH_SEEDS]
    assert standard_errors(name, scores) > BOUND


def renew(names):
    """Write the lines of `names` again, those of the others as they are."""
    lines = dict(reference()) if REFERENCE.exists() else {}
    for name in names:
        scores = [score(name, seed) for seed in SEEDS]
        lines[name] = (mean(scores), stdev(scores))
        print(f"{name}: {lines[name][0]:.4f} ± {lines[name][1]:.4f}", flush=True)
    with REFERENCE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "mean", "standard_deviation", "seeds"])
        for name, (centre, deviation) in sorted(lines.items()):
            writer.writerow([name, f"{centre:.6f}", f"{deviation:.6f}", len(SEEDS)])


if __name__ == "__main__":
    torch.set_num_threads(1)
    renew(sys.argv[1:] or NAMES)
