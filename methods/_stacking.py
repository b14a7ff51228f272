"""Weights of several classifiers under log loss in which every class counts the same."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from torch import Tensor

from bench.method import Ensemble, log_shares


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


def fit_stacking(
    members: Sequence[np.ndarray], labels: np.ndarray, log_prior: np.ndarray | None = None
) -> Stacking:
    """The stacking with the least balanced log loss on held-out samples.

    With ``l_m`` the log probabilities of classifier m,

        L(w, b) = 1/K sum_k 1/n_k sum_{i: y_i = k} CE(sum_m w_m l_m(x_i) + b, k)
                  + 1/(2 n) sum_m (w_m - 1/M)^2,    w_m >= 0,

    a convex problem. With every class counting the same, the largest logit is the prediction of
    best balanced accuracy, and the biases take up whatever prior each classifier was trained under.
    The second term, n the number of samples, is a prior of standard deviation 1 around the plain
    mean: it decides nothing unless classes are separated without error.

    Where `log_prior` is given, ``b = -tau log_prior``: one number instead of one a class. For two
    classes both say the same; of many classes a few validation samples decide each free bias.

    Wolpert, Neural Networks 5 (1992), 10.1016/S0893-6080(05)80023-1 (stacked generalisation);
    Menon et al., ICLR 2021, arXiv 2007.07314, section 3 (balanced error).

    Parameters
    ----------
    members : sequence of ndarray, shape (n, K)
        Logits or log probabilities of M classifiers on samples that none of them was trained on.
    labels : ndarray of int64, shape (n,)
        A class that does not occur gets the bias of the smallest, unless `log_prior` is given.
    log_prior : ndarray, shape (K,), optional
        Finite; what is added to it does not matter.

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
    # Biases are these directions times what is fitted.
    directions = np.eye(classes)[:, present]
    if log_prior is not None:
        directions = np.mean(log_prior) - log_prior[:, None]

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, biases = parameters[:count], directions[present] @ parameters[count:]
        logits = np.tensordot(weights, stacked, axes=1) + biases
        normaliser = logsumexp(logits, axis=1)
        excess = weights - 1 / count
        loss = share @ (normaliser - logits[np.arange(len(labels)), places])
        slope = share[:, None] * (np.exp(logits - normaliser[:, None]) - targets)
        gradient = [
            np.tensordot(stacked, slope, axes=2) + excess / len(labels),
            directions[present].T @ slope.sum(axis=0),
        ]
        return loss + excess @ excess / (2 * len(labels)), np.concatenate(gradient)

    free = directions.shape[1]
    start = np.concatenate([np.full(count, 1 / count), np.zeros(free)])
    bounds: list[tuple[float | None, None]] = [(0, None)] * count + [(None, None)] * free
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 10_000, "ftol": 1e-14, "gtol": 1e-9},
    )
    biases = directions @ found.x[count:]
    if log_prior is None:
        biases[~np.isin(np.arange(classes), present)] = biases[present].min()
    return Stacking(found.x[:count], biases - biases.mean())


class StackedEnsemble(Ensemble):
    """Classifiers under one :class:`Stacking`; a subclass says which, and fits it."""

    _stacking: Stacking

    @abstractmethod
    def classifiers(self, logits: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Logits of the classifiers, (n, K) each, from those of the members by role."""

    def report(self) -> Mapping[str, Any]:
        return {
            "weights": self._stacking.weights.tolist(),
            "biases": self._stacking.biases.tolist(),
        }

    def state(self) -> Mapping[str, Any]:
        return {"weights": self._stacking.weights, "biases": self._stacking.biases}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._stacking = Stacking(state["weights"], state["biases"])

    def implied_log_prior(self) -> Tensor | None:
        # The loss that is least on validation counts every class the same.
        return log_shares(torch.zeros(self.context.num_classes))

    def logits(self, logits: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._stacking.logits(self.classifiers(logits))
