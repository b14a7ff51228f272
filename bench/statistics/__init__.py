"""What a results table may claim: pure functions on plain arrays."""

from bench.statistics.best_set import ConfidenceSet, confidence_set
from bench.statistics.paired import Difference, Sign, paired_difference
from bench.statistics.power import pairs_needed, smallest_p, verdict
from bench.statistics.ranks import Ranks, critical_difference, rank_methods
from bench.statistics.recall import mean_recall_interval
from bench.statistics.sampling import (
    balanced_accuracy_influence,
    balanced_f1_influence,
    recall_influence,
    sampling_covariance,
)
from bench.statistics.summary import Summary, prediction_interval, summarise

__all__ = [
    "ConfidenceSet",
    "Difference",
    "Ranks",
    "Sign",
    "Summary",
    "balanced_accuracy_influence",
    "balanced_f1_influence",
    "confidence_set",
    "critical_difference",
    "mean_recall_interval",
    "paired_difference",
    "pairs_needed",
    "prediction_interval",
    "rank_methods",
    "recall_influence",
    "sampling_covariance",
    "smallest_p",
    "summarise",
    "verdict",
]
