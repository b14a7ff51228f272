"""Figures that a record does not hold, as it is older, from what is stored of its run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from bench.metrics import matrix_of_record
from bench.metrics.evaluation import figures_of_classes, figures_of_scores
from bench.report.model.measures import Measure


def with_figures(
    record: dict[str, Any],
    wanted: Iterable[Measure],
    predictions: Callable[[], Mapping[str, np.ndarray] | None],
) -> dict[str, Any]:
    """`record` with the figures `wanted` that it lacks, as far as they can be computed.

    Those of the confusion matrix follow from the record, the others from logits of the test set.
    What cannot be computed stays missing.

    Parameters
    ----------
    record : dict
        One that obeys the rules.
    wanted : iterable of Measure
    predictions : callable
        Gives ``test_labels`` and ``test_logits`` of the run, None where they were not kept. Called
        where they are needed alone.
    """
    lacking = [measure.name for measure in wanted if measure.name not in record["metrics"]]
    if not lacking:
        return record
    train_counts = np.asarray(record["data"]["train_counts"])
    found = figures_of_classes(matrix_of_record(record["confusion"]), train_counts)
    if not found.keys() >= set(lacking) and (arrays := predictions()) is not None:
        found |= figures_of_scores(arrays["test_labels"], arrays["test_logits"], train_counts)
    added = {name: _plain(found[name]) for name in lacking if name in found}
    return {**record, "metrics": {**record["metrics"], **added}}


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
