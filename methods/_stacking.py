"""Weights of several classifiers under log loss in which every class counts the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp


@dataclass(frozen=True)
class Stacking:
    """A weighted sum of log probabilities.

    Attributes
    ----------
    weights : ndarray, shape (M,)
        Of the classifiers; none is negative.
    biases : ndarray, shape (K,)
        Of the classes; their mean is 0.
    """

    weights: np.ndarray
    biases: np.ndarray

    def logits(self, members: Sequence[np.ndarray]) -> np.ndarray:
        """The weighted sum, float64, (n, K), from logits of the classifiers, (n, K) each."""
        log_probabilities = [log_softmax(logits.astype(np.float64), axis=1) for logits in members]
        return np.tensordot(self.weights, np.stack(log_probabilities), axes=1) + self.biases


def fit_stacking(members: Sequence[np.ndarray], labels: np.ndarray) -> Stacking:
    """The stacking with the least balanced log loss on held-out samples.

    With ``l_m`` the log probabilities of classifier m,

        L(w, b) = 1/K sum_k 1/n_k sum_{i: y_i = k} CE(sum_m w_m l_m(x_i) + b, k)
                  + 1/(2 n) sum_m (w_m - 1/M)^2,    w_m >= 0,

    a convex problem. With every class counting the same, the largest logit is the prediction of
    best balanced accuracy, and the biases take up whatever prior each classifier was trained under.
    The second term, n the number of samples, is a prior of standard deviation 1 around the plain
    mean: it decides nothing unless classes are separated without error.

    Wolpert, Neural Networks 5 (1992), 10.1016/S0893-6080(05)80023-1 (stacked generalisation);
    Menon et al., ICLR 2021, arXiv 2007.07314, section 3 (balanced error).

    Parameters
    ----------
    members : sequence of ndarray, shape (n, K)
        Logits or log probabilities of M classifiers on samples that none of them was trained on.
    labels : ndarray of int64, shape (n,)
        A class that does not occur gets the bias of the smallest.

    Examples
    --------
    A classifier that never says class 1 is moved, one that says nothing has no say.

    >>> good = np.log([[0.9, 0.1], [0.99, 0.01], [0.6, 0.4], [0.7, 0.3]])
    >>> stacking = fit_stacking([good, np.zeros((4, 2))], np.array([0, 0, 1, 1]))
    >>> stacking.logits([good, np.zeros((4, 2))]).argmax(axis=1)
    array([0, 0, 1, 1])
    """
    count, classes = len(members), members[0].shape[1]
    # Without samples of a class its bias would fall without end.
    present, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    stacked = np.stack(
        [log_softmax(logits.astype(np.float64), axis=1)[:, present] for logits in members]
    )
    share = 1 / (len(present) * counts[places])
    targets = np.eye(len(present))[places]

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, biases = parameters[:count], parameters[count:]
        logits = np.tensordot(weights, stacked, axes=1) + biases
        normaliser = logsumexp(logits, axis=1)
        excess = weights - 1 / count
        loss = share @ (normaliser - logits[np.arange(len(labels)), places])
        slope = share[:, None] * (np.exp(logits - normaliser[:, None]) - targets)
        gradient = [
            np.tensordot(stacked, slope, axes=2) + excess / len(labels),
            slope.sum(axis=0),
        ]
        return loss + excess @ excess / (2 * len(labels)), np.concatenate(gradient)

    start = np.concatenate([np.full(count, 1 / count), np.zeros(len(present))])
    bounds = [(0, None)] * count + [(None, None)] * len(present)
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 10_000, "ftol": 1e-14, "gtol": 1e-9},
    )
    biases = np.full(classes, found.x[count:].min())
    biases[present] = found.x[count:]
    return Stacking(found.x[:count], biases - biases.mean())
