"""All metrics of one model on one part of a split."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bench.errors import DataError
from bench.metrics.calibration import brier_score, expected_calibration_error, log_loss, softmax
from bench.metrics.confusion import (
    balanced_f1s,
    balanced_precisions,
    confusion_matrix,
    f1s,
    matrix_to_record,
    mean_present,
    precisions,
    recalls,
)
from bench.metrics.groups import frequency_groups
from bench.metrics.intervals import wilson_interval
from bench.metrics.ranking import aurocs


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
        """The values as records hold them: one figure a name, per-class figures as columns."""
        figures = self.to_json()
        groups, per_class = figures.pop("groups"), figures.pop("per_class")
        confusion = figures.pop("confusion")
        figures["auroc_ovr_macro"] = figures.pop("auroc")
        figures |= {f"recall_{name}": group["recall"] for name, group in groups.items()}
        return {
            "metrics": figures,
            "groups": {name: group["classes"] for name, group in groups.items()},
            "per_class": {key: [row[key] for row in per_class] for key in per_class[0]},
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
        Training samples of each class, which decide head, middle and tail.

    Raises
    ------
    DataError
        A score is not finite.
    ValueError
        Shapes do not fit, there is no sample, or a label is not in 0..K-1.
    """
    scores = np.asarray(scores, dtype=np.float64)
    _check(labels, scores, train_counts)
    matrix = confusion_matrix(labels, scores.argmax(axis=1), scores.shape[1])
    probabilities = softmax(scores)
    recall, area = recalls(matrix), aurocs(labels, scores)
    groups = frequency_groups(train_counts)
    return Metrics(
        samples=len(labels),
        classes_used=int(np.count_nonzero(~np.isnan(recall))),
        balanced_accuracy=mean_present(recall),
        balanced_f1=mean_present(balanced_f1s(matrix)),
        accuracy=float(np.trace(matrix) / len(labels)),
        macro_f1=mean_present(f1s(matrix)),
        auroc=mean_present(area),
        auroc_classes=int(np.count_nonzero(~np.isnan(area))),
        log_loss=log_loss(labels, scores),
        brier=brier_score(labels, probabilities),
        ece=expected_calibration_error(labels, probabilities),
        groups={name: _group(classes, recall) for name, classes in groups.items()},
        per_class=_per_class(matrix, area, train_counts),
        matrix=matrix,
    )


def figures_of_classes(matrix: np.ndarray, train_counts: np.ndarray) -> dict[str, float]:
    """The figures of a record that follow from a confusion matrix, by their names there."""
    recall = recalls(matrix)
    groups = frequency_groups(train_counts)
    return {
        "balanced_accuracy": mean_present(recall),
        "balanced_f1": mean_present(balanced_f1s(matrix)),
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "macro_f1": mean_present(f1s(matrix)),
        **{f"recall_{name}": mean_present(recall[classes]) for name, classes in groups.items()},
    }


def figures_of_scores(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """The figures of a record that need the scores, by their names there; as :func:`evaluate`."""
    scores = np.asarray(scores, dtype=np.float64)
    _check_finite(scores)
    probabilities = softmax(scores)
    return {
        "auroc_ovr_macro": mean_present(aurocs(labels, scores)),
        "log_loss": log_loss(labels, scores),
        "brier": brier_score(labels, probabilities),
        "ece": expected_calibration_error(labels, probabilities),
    }


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
    _check_finite(scores)


def _check_finite(scores: np.ndarray) -> None:
    sample, column = np.nonzero(~np.isfinite(scores))
    if len(sample):
        raise DataError(
            f"Expected finite scores, but got {scores[sample[0], column[0]]} for sample "
            f"{sample[0]}, class {column[0]} ({len(np.unique(sample))} of {len(scores)} samples "
            "have one). The model diverged: lower the learning rate or clip its gradients."
        )


def _group(classes: np.ndarray, recall: np.ndarray) -> GroupMetrics:
    own = recall[classes]
    return GroupMetrics(
        classes=tuple(classes.tolist()),
        classes_used=int(np.count_nonzero(~np.isnan(own))),
        recall=mean_present(own),
    )


def _per_class(
    matrix: np.ndarray, area: np.ndarray, train_counts: np.ndarray
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
