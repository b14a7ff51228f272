"""Tables of methods whose true scores are known.

A data set is a fixed set of samples. Whether a method gets a sample right depends on the sample,
alike for all methods; on sample and method, alike for all seeds; on chance; and on how training
went with that seed. Each seed draws its own test set from the same data set, so that test sets
overlap as those of real splits do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from bench.statistics import balanced_accuracy_influence, sampling_covariance

# Of the variance of an outcome: alike for all methods, and kept by a method over seeds. Scores of
# two methods on one test set then correlate by .53, where real ones on HIV do by .46 to .61.
SHARED, KEPT = 0.75, 0.1
TEST_TO_TRAIN = 2 / 7


@dataclass(frozen=True)
class Class:
    """Samples in a test set, and the share that a method gets right."""

    tested: int
    recall: float

    @property
    def samples(self):
        """In the data set, of which a fifth is tested."""
        return 5 * self.tested


# As many actives as HIV has; fewer of the others, which add hardly any noise.
HIV = (Class(1400, 0.80), Class(289, 0.65))
USPTO = tuple(Class(n, 0.98) for n in (800, 600, 400, 300, 200, 150, 130, 100, 90, 50))


def noise_of(rng, seeds, methods, clusters=None, common=0.95):
    """Of training, (S, k) of variance 1; methods of a cluster share the part `common` of theirs."""
    own = rng.normal(size=(seeds, methods))
    if clusters is None:
        return own
    shared = rng.normal(size=(seeds, max(clusters) + 1))[:, clusters]
    return common**0.5 * shared + (1 - common) ** 0.5 * own


def one_cluster(methods, members):
    """The first `members` methods are one cluster, each other one is alone."""
    return [0] * members + list(range(1, methods - members + 1))


def simulate(
    rng, data=HIV, *, methods=12, seeds=3, training=0.005, gaps=0.0, factors=1.0, clusters=None
):
    """Balanced accuracies (S, k), and their covariances (S, k, k) by the test samples.

    `training` is the standard deviation of a score by training alone, times the method's factor;
    `gaps` (k,) is added to true balanced accuracies.
    """
    noise = training * factors * noise_of(rng, seeds, methods, clusters)
    right = [[] for _ in range(seeds)]
    for part in data:
        common = SHARED**0.5 * rng.standard_normal(part.samples, dtype=np.float32)
        own = KEPT**0.5 * rng.standard_normal((methods, part.samples), dtype=np.float32)
        for seed in range(seeds):
            drawn = rng.choice(part.samples, part.tested, replace=False)
            chance = rng.standard_normal((methods, part.tested), dtype=np.float32)
            latent = (common + own)[:, drawn] + (1 - SHARED - KEPT) ** 0.5 * chance
            recall = np.clip(part.recall + gaps + noise[seed], 0.001, 0.999)
            right[seed].append(latent < norm.ppf(recall)[:, None])
    labels = np.repeat(np.arange(len(data)), [part.tested for part in data])
    gradient = balanced_accuracy_influence(np.eye(len(data)))
    scores = [np.mean([own.mean(axis=1) for own in of_seed], axis=0) for of_seed in right]
    covariances = [
        sampling_covariance(
            labels,
            np.where(np.concatenate(of_seed, axis=1), labels, (labels + 1) % len(data)),
            np.stack([gradient] * methods),
        )
        for of_seed in right
    ]
    return np.array(scores), np.array(covariances)


def standard_deviation(data, training):
    """Of one score over data sets, splits and seeds: the square root of both sources' sum."""
    parts = [part.recall * (1 - part.recall) / part.tested for part in data]
    return (sum(parts) / len(data) ** 2 + training**2) ** 0.5
