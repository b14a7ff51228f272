"""Which figure on validation says that one epoch is better than another."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from bench.errors import DataError, UnknownNameError
from bench.metrics.confusion import balanced_accuracy
from bench.training.settings import SELECT_BY

# Imported by its name, so that the code of all figures stands behind those runs alone whose epoch
# another one chooses; :mod:`bench.sweep.fingerprint` knows of it.
FIGURES = "bench.metrics.evaluation"


class Judged(NamedTuple):
    """What validation says of logits.

    Attributes
    ----------
    balanced_accuracy : float
    figure : float or None
        That which chooses, as records hold it; None where it is undefined.
    score : float
        The same, so that more is better; minus infinity where it is undefined.
    """

    balanced_accuracy: float
    figure: float | None
    score: float


class Selector:
    """Judges logits of the validation set by the figure that is to choose among them.

    Parameters
    ----------
    name : str
        As in the ``metrics`` of a record.
    labels : ndarray of int64, shape (n,)
        Of the validation set.
    train_counts : ndarray of int, shape (K,)
        Training samples of each class, which say what is rare.

    Raises
    ------
    UnknownNameError
        There is no such figure.
    DataError
        It is undefined on this validation set, whatever is predicted.
    """

    def __init__(self, name: str, labels: np.ndarray, train_counts: np.ndarray) -> None:
        self.name, self._labels, self._counts = name, labels, train_counts
        if self.is_default:
            return
        self._figures: Any = import_module(FIGURES)
        known = self._figures.FIGURES
        if name not in known:
            raise UnknownNameError("figure", name, known, where="--select-by")
        perfect = np.eye(len(train_counts))[labels]
        if math.isnan(self._figure(perfect)):
            raise DataError(
                f"Expected a validation set on which {name} is defined, but it is not there on "
                f"these {len(labels)} samples of {len(train_counts)} classes, even if all are "
                "predicted right. Choose another figure with --select-by; --list metrics says "
                "what each needs."
            )

    @property
    def is_default(self) -> bool:
        """Whether balanced accuracy chooses."""
        return self.name == SELECT_BY

    def judge(self, logits: np.ndarray) -> Judged:
        """What validation says of finite logits, shape (n, K)."""
        classes = len(self._counts)
        usual = balanced_accuracy(self._labels, logits.argmax(axis=1), classes)
        if self.is_default:
            return Judged(usual, usual, usual)
        figure = self._figure(logits)
        if math.isnan(figure):
            return Judged(usual, None, -math.inf)
        lower_is_better = self.name in self._figures.LOWER_IS_BETTER
        return Judged(usual, figure, -figure if lower_is_better else figure)

    def _figure(self, logits: np.ndarray) -> float:
        value: float = self._figures.figure_named(self.name, self._labels, logits, self._counts)
        return value
