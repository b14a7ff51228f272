"""Runs in a store whose predictions and records say the same."""

from __future__ import annotations

import numpy as np

from bench.metrics import evaluate
from bench.spec import parse_spec
from tests.report.report_records import make_record, sha256


def arrays_of(counts, seed, strength=2.0):
    """Labels and logits of both parts, with as many samples of each class as `counts`."""
    rng = np.random.default_rng(seed)
    arrays, start = {}, 0
    for part in ("valid", "test"):
        labels = np.repeat(np.arange(len(counts)), counts)
        logits = rng.standard_normal((len(labels), len(counts)))
        logits[np.arange(len(labels)), labels] += strength
        arrays[f"{part}_labels"] = labels
        arrays[f"{part}_logits"] = logits.astype(np.float32)
        arrays[f"{part}_positions"] = np.arange(start, start + len(labels))
        start += len(labels)
    return arrays


def record_of(job, arrays):
    """The record that these predictions make."""
    record = make_record(job, evaluated(arrays, "test").confusion)
    metrics = evaluated(arrays, "test", record["data"]["train_counts"])
    record["metrics"] = {
        "balanced_accuracy": metrics.balanced_accuracy,
        "balanced_f1": metrics.balanced_f1,
        "accuracy": metrics.accuracy,
        "macro_f1": metrics.macro_f1,
        "auroc_ovr_macro": metrics.auroc,
        "log_loss": metrics.log_loss,
        "brier": metrics.brier,
        "ece": metrics.ece,
        **{
            f"recall_{name}": None if np.isnan(group.recall) else group.recall
            for name, group in metrics.groups.items()
        },
    }
    record["per_class"] = metrics.to_record()["per_class"]
    valid = evaluated(arrays, "valid").balanced_accuracy
    record["job"]["method"]["options"] = parse_spec(job["method_label"]).options
    record["selection"] = {"epoch": 7, "valid_balanced_accuracy": valid}
    return record


def evaluated(arrays, part, train_counts=None):
    labels, logits = arrays[f"{part}_labels"], arrays[f"{part}_logits"]
    counts = np.bincount(labels) if train_counts is None else np.asarray(train_counts)
    return evaluate(labels, logits, counts)


def store_run(store, job, counts):
    """Write a run of `job`, made from a seed of its own."""
    arrays = arrays_of(counts, int(sha256(job["job_id"])[:8], 16))
    store.write(job["job_id"], record_of(job, arrays), arrays, {"network.w": np.zeros(2)})
