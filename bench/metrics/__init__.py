"""Metrics as pure functions on labels and on scores or predictions.

One policy for a class without test samples: its own value is nan, every mean is taken over the
classes present, and how many those were stands beside the mean.
"""

from bench.metrics.calibration import (
    brier_score,
    classwise_calibration_error,
    expected_calibration_error,
    log_loss,
    softmax,
)
from bench.metrics.confusion import (
    balanced_accuracy,
    balanced_f1s,
    balanced_precisions,
    confusion_matrix,
    f1s,
    matrix_of_record,
    matrix_to_record,
    precisions,
    recalls,
    recalls_from_pair,
)
from bench.metrics.early import bedroc, enrichment_factor
from bench.metrics.evaluation import ClassMetrics, GroupMetrics, Metrics, evaluate
from bench.metrics.groups import count_groups, frequency_groups, rarest_class
from bench.metrics.imbalance import geometric_mean, matthews_correlation
from bench.metrics.intervals import wilson_interval
from bench.metrics.ranking import aurocs, average_precisions

__all__ = [
    "ClassMetrics",
    "GroupMetrics",
    "Metrics",
    "aurocs",
    "average_precisions",
    "balanced_accuracy",
    "balanced_f1s",
    "balanced_precisions",
    "bedroc",
    "brier_score",
    "classwise_calibration_error",
    "confusion_matrix",
    "count_groups",
    "enrichment_factor",
    "evaluate",
    "expected_calibration_error",
    "f1s",
    "frequency_groups",
    "geometric_mean",
    "log_loss",
    "matrix_of_record",
    "matrix_to_record",
    "matthews_correlation",
    "precisions",
    "rarest_class",
    "recalls",
    "recalls_from_pair",
    "softmax",
    "wilson_interval",
]
