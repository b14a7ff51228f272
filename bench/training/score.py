"""The one place where labels of the test set meet what a run predicts for it."""

from __future__ import annotations

from dataclasses import replace

from bench.data.prepared import PreparedData
from bench.metrics import evaluate
from bench.split import Split
from bench.training.run import RunResult


def score(result: RunResult, prepared: PreparedData, split: Split) -> RunResult:
    """`result` with its metrics first among the figures, and ``test_labels`` to the predictions."""
    predictions = dict(result.predictions)
    labels, logits = prepared.labels[split.test], predictions.pop("test_logits")
    metrics = evaluate(labels, logits, prepared.class_counts(split.train))
    return replace(
        result,
        figures={**metrics.to_record(), **result.figures},
        predictions={**predictions, "test_labels": labels, "test_logits": logits},
    )
