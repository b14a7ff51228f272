"""All metrics of one model on one set of a split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import log_softmax

from bench.errors import DataError
from bench.metrics.calibration import (
    brier_score,
    classwise_calibration_error,
    expected_calibration_error,
)
from bench.metrics.confusion import (
    balanced_f1s,
    balanced_precisions,
    confusion_matrix,
    f1s,
    matrix_of_record,
    matrix_to_record,
    mean_present,
    precisions,
    recalls,
)
from bench.metrics.early import bedroc, enrichment_factor
from bench.metrics.groups import count_groups, frequency_groups, rarest_class
from bench.metrics.imbalance import geometric_mean, matthews_correlation
from bench.metrics.intervals import wilson_interval
from bench.metrics.ranking import one_vs_rest

# All single figures of a record but counts.
FIGURES = (
    "balanced_accuracy", "balanced_f1", "accuracy", "macro_f1",
    "recall_head", "recall_middle", "recall_tail", "recall_many", "recall_medium", "recall_few",
    "mcc", "g_mean", "precision_rare", "recall_rare", "f1_rare",
    "auroc_ovr_macro", "log_loss", "brier", "ece",
    "average_precision", "average_precision_rare", "enrichment_1pct", "bedroc", "ece_class",
)  # fmt: skip
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece", "ece_class"})
# Figures that records of earlier versions do not have.
ADDED = (
    "mcc", "g_mean", "precision_rare", "recall_rare", "f1_rare",
    "recall_many", "recall_medium", "recall_few",
    "average_precision", "average_precision_rare", "enrichment_1pct", "bedroc", "ece_class",
)  # fmt: skip


@dataclass(frozen=True)
class ClassMetrics:
    """One class; a value is nan where it is undefined.

    Attributes
    ----------
    support, train_count : int
        Samples here and in training.
    recall_low, recall_high : float
        Wilson's 95 % interval of the recall.
    """

    support: int
    train_count: int
    recall: float
    recall_low: float
    recall_high: float
    precision: float
    f1: float
    balanced_precision: float
    balanced_f1: float
    auroc: float


@dataclass(frozen=True)
class GroupMetrics:
    """Mean recall over the classes of a group that are present; nan when none is.

    Attributes
    ----------
    classes : tuple of int
        All classes of the group, the largest first.
    """

    classes: tuple[int, ...]
    classes_used: int
    recall: float


@dataclass(frozen=True)
class Metrics:
    """Metrics of M samples and K classes, as fractions.

    Attributes
    ----------
    samples : int
        M.
    classes_used : int
        Classes present, over which balanced accuracy, balanced F1 and macro F1 are means.
    auroc, auroc_classes : float, int
        Mean over the classes that have one, and how many those are.
    average_precision : float
        Mean over the classes present.
    g_mean : float
        Geometric mean of the recalls of the classes present.
    precision_rare, recall_rare, f1_rare, average_precision_rare : float
        Of the class with the fewest training samples, of several the last.
    recall_many, recall_medium, recall_few : float
        Mean recall of classes with more than 100, 20 to 100 and fewer than 20 training samples.
    enrichment_1pct, bedroc : float
        Of two classes, how early the rare one is found; nan of more.
    ece_class : float
        Calibration error by class, mean over all classes.
    groups : dict of str to GroupMetrics
        ``head``, ``middle`` and ``tail`` by training counts.
    per_class : tuple of ClassMetrics
        Length K.
    matrix : ndarray of int64, shape (K, K)
        The confusion matrix: row true, column predicted.
    """

    samples: int
    classes_used: int
    balanced_accuracy: float
    balanced_f1: float
    accuracy: float
    macro_f1: float
    auroc: float
    auroc_classes: int
    log_loss: float
    brier: float
    ece: float
    average_precision: float
    average_precision_rare: float
    mcc: float
    g_mean: float
    precision_rare: float
    recall_rare: float
    f1_rare: float
    recall_many: float
    recall_medium: float
    recall_few: float
    enrichment_1pct: float
    bedroc: float
    ece_class: float
    groups: dict[str, GroupMetrics]
    per_class: tuple[ClassMetrics, ...]
    matrix: np.ndarray

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """`matrix` in plain values."""
        return tuple(map(tuple, self.matrix.tolist()))

    def to_json(self) -> dict[str, Any]:
        """Plain values in full precision, None where undefined."""
        figures = asdict(replace(self, matrix=np.empty(0)))
        del figures["matrix"]
        return {**_none_for_nan(figures), "confusion": matrix_to_record(self.matrix)}

    def to_record(self) -> dict[str, Any]:
        """The values as records hold them: one figure a name, the confusion matrix, and of each
        class what does not follow from it, see :func:`classes_of_record`.
        """
        figures = self.to_json()
        groups, per_class = figures.pop("groups"), figures.pop("per_class")
        confusion = figures.pop("confusion")
        figures["auroc_ovr_macro"] = figures.pop("auroc")
        figures |= {f"recall_{name}": group["recall"] for name, group in groups.items()}
        return {
            "metrics": figures,
            "per_class": {"auroc": [row["auroc"] for row in per_class]},
            "confusion": confusion,
        }


def evaluate(labels: np.ndarray, scores: np.ndarray, train_counts: np.ndarray) -> Metrics:
    """All metrics of M samples and K classes.

    The prediction is the class with the largest score; of equal ones the lowest index.

    Parameters
    ----------
    labels : ndarray of int64, shape (M,)
        Class indices 0..K-1.
    scores : ndarray of float, shape (M, K)
        Logits or log probabilities, as adjusted for prediction.
    train_counts : ndarray of int, shape (K,)
        Training samples of each class, which decide head, middle and tail and which is rare.

    Raises
    ------
    DataError
        A score is not finite.
    ValueError
        Shapes do not fit, there is no sample, or a label is not in 0..K-1.
    """
    scores = np.asarray(scores, dtype=np.float64)
    _check(labels, scores, train_counts)
    scores = _finite(scores)
    matrix = confusion_matrix(labels, scores.argmax(axis=1), scores.shape[1])
    scored = _Scored(labels, scores, train_counts)
    figures = {
        **figures_of_classes(matrix, train_counts),
        **{name: figure(scored) for name, figure in _OF_SCORES.items()},
    }
    recall, area = recalls(matrix), scored.areas
    groups = frequency_groups(train_counts)
    return Metrics(
        samples=len(labels),
        classes_used=int(np.count_nonzero(~np.isnan(recall))),
        auroc=figures.pop("auroc_ovr_macro"),
        auroc_classes=int(np.count_nonzero(~np.isnan(area))),
        groups={name: _group(classes, recall) for name, classes in groups.items()},
        per_class=_per_class(matrix, area, train_counts),
        matrix=matrix,
        **{name: figure for name, figure in figures.items() if name not in _OF_GROUPS},
    )


def figures_of_classes(matrix: np.ndarray, train_counts: np.ndarray) -> dict[str, float]:
    """The figures of a record that follow from a confusion matrix, by their names there."""
    recall, f1 = recalls(matrix), f1s(matrix)
    rare = rarest_class(train_counts)
    groups = {**frequency_groups(train_counts), **count_groups(train_counts)}
    return {
        "balanced_accuracy": mean_present(recall),
        "balanced_f1": mean_present(balanced_f1s(matrix)),
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "macro_f1": mean_present(f1),
        **{f"recall_{name}": mean_present(recall[classes]) for name, classes in groups.items()},
        "mcc": matthews_correlation(matrix),
        "g_mean": geometric_mean(recall),
        "precision_rare": float(precisions(matrix)[rare]),
        "recall_rare": float(recall[rare]),
        "f1_rare": float(f1[rare]),
    }


def classes_of_record(record: Mapping[str, Any]) -> tuple[ClassMetrics, ...]:
    """Every class of the run of a record, as :func:`evaluate` gave it."""
    areas = [math.nan if area is None else area for area in record["per_class"]["auroc"]]
    return _per_class(
        matrix_of_record(record["confusion"]), np.array(areas), record["data"]["train_counts"]
    )


def figures_of_scores(
    labels: np.ndarray, scores: np.ndarray, train_counts: np.ndarray
) -> dict[str, float]:
    """The figures of a record that need the scores, by their names there; as :func:`evaluate`."""
    scored = _Scored(labels, _finite(scores), train_counts)
    return {name: figure(scored) for name, figure in _OF_SCORES.items()}


def figure_named(
    name: str, labels: np.ndarray, scores: np.ndarray, train_counts: np.ndarray
) -> float:
    """One figure of a record by its name there, without the cost of the others.

    Raises
    ------
    KeyError
        There is none of this name.
    DataError
        A score is not finite.
    """
    scores = _finite(scores)
    if name in _OF_SCORES:
        return _OF_SCORES[name](_Scored(labels, scores, train_counts))
    matrix = confusion_matrix(labels, scores.argmax(axis=1), scores.shape[1])
    return figures_of_classes(matrix, train_counts)[name]


class _Scored:
    """Scores with what several figures are made of, each computed once."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray, train_counts: np.ndarray) -> None:
        self.labels, self.scores = labels, scores
        self.rare = rarest_class(train_counts)

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        return log_softmax(self.scores, axis=1)

    @cached_property
    def probabilities(self) -> np.ndarray:
        return np.exp(self.log_probabilities)

    @cached_property
    def _ranked(self) -> tuple[np.ndarray, np.ndarray]:
        return one_vs_rest(self.labels, self.scores)

    @property
    def areas(self) -> np.ndarray:
        return self._ranked[0]

    @property
    def average_precisions(self) -> np.ndarray:
        return self._ranked[1]

    def early(self, figure: Callable[[np.ndarray, np.ndarray], float]) -> float:
        """A figure of the rare class of two, which are ranked by its log odds."""
        if self.scores.shape[1] != 2:
            return float("nan")
        odds = self.scores[:, self.rare] - self.scores[:, 1 - self.rare]
        return figure(self.labels == self.rare, odds)

    def log_loss(self) -> float:
        """As :func:`bench.metrics.calibration.log_loss`."""
        return float(-self.log_probabilities[np.arange(len(self.labels)), self.labels].mean())


_OF_SCORES: dict[str, Callable[[_Scored], float]] = {
    "auroc_ovr_macro": lambda s: mean_present(s.areas),
    "log_loss": _Scored.log_loss,
    "brier": lambda s: brier_score(s.labels, s.probabilities),
    "ece": lambda s: expected_calibration_error(s.labels, s.probabilities),
    "average_precision": lambda s: mean_present(s.average_precisions),
    "average_precision_rare": lambda s: float(s.average_precisions[s.rare]),
    "enrichment_1pct": lambda s: s.early(enrichment_factor),
    "bedroc": lambda s: s.early(bedroc),
    "ece_class": lambda s: classwise_calibration_error(s.labels, s.probabilities),
}
# Of which metrics have more than the one figure.
_OF_GROUPS = ("recall_head", "recall_middle", "recall_tail")


def _check(labels: np.ndarray, scores: np.ndarray, train_counts: np.ndarray) -> None:
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise ValueError(
            "Expected labels (M,) and scores (M, K) of at least one sample, but got "
            f"{labels.shape} and {scores.shape}."
        )
    if len(train_counts) != scores.shape[1]:
        raise ValueError(
            f"Expected {scores.shape[1]} training counts, one a class, but got {len(train_counts)}."
        )


def _finite(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    sample, column = np.nonzero(~np.isfinite(scores))
    if len(sample):
        raise DataError(
            f"Expected finite scores, but got {scores[sample[0], column[0]]} for sample "
            f"{sample[0]}, class {column[0]} ({len(np.unique(sample))} of {len(scores)} samples "
            "have one). The model diverged: lower the learning rate or clip its gradients."
        )
    return scores


def _group(classes: np.ndarray, recall: np.ndarray) -> GroupMetrics:
    own = recall[classes]
    return GroupMetrics(
        classes=tuple(classes.tolist()),
        classes_used=int(np.count_nonzero(~np.isnan(own))),
        recall=mean_present(own),
    )


def _per_class(
    matrix: np.ndarray, area: np.ndarray, train_counts: Sequence[int] | np.ndarray
) -> tuple[ClassMetrics, ...]:
    supports = matrix.sum(axis=1)
    values = zip(
        recalls(matrix),
        precisions(matrix),
        f1s(matrix),
        balanced_precisions(matrix),
        balanced_f1s(matrix),
        area,
        strict=True,
    )
    classes = []
    for k, (recall, precision, f1, balanced_precision, balanced_f1, auroc) in enumerate(values):
        low, high = wilson_interval(int(matrix[k, k]), int(supports[k]))
        classes.append(
            ClassMetrics(
                support=int(supports[k]),
                train_count=int(train_counts[k]),
                recall=float(recall),
                recall_low=low,
                recall_high=high,
                precision=float(precision),
                f1=float(f1),
                balanced_precision=float(balanced_precision),
                balanced_f1=float(balanced_f1),
                auroc=float(auroc),
            )
        )
    return tuple(classes)


def _none_for_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _none_for_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_none_for_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
