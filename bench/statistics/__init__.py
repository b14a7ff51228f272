"""What a results table may claim: pure functions on plain arrays."""

from bench.statistics.family import Group, group_of_best
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
    "Difference",
    "Group",
    "Ranks",
    "Sign",
    "Summary",
    "balanced_accuracy_influence",
    "balanced_f1_influence",
    "critical_difference",
    "group_of_best",
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
