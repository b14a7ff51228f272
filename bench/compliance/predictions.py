"""Rules on what was stored of a run beside its record: the predictions say the same figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bench.compliance.arithmetic import same
from bench.compliance.breach import Breach
from bench.compliance.rules import name_of
from bench.errors import DataError
from bench.metrics import balanced_accuracy, evaluate

Json = Mapping[str, Any]
_PARTS = ("valid", "test")
_OF_CLASSES = (
    *("balanced_accuracy", "balanced_f1", "accuracy", "macro_f1"),
    *("recall_head", "recall_middle", "recall_tail"),
)
_OF_SCORES = ("auroc_ovr_macro", "log_loss", "brier", "ece")
_NAMES = tuple(f"{part}_{what}" for part in _PARTS for what in ("labels", "logits"))


def breaches_of_predictions(record: Json, arrays: Mapping[str, np.ndarray]) -> Iterator[Breach]:
    """What the predictions of a run contradict in its record.

    Parameters
    ----------
    record : mapping
        Of right shape.
    arrays : mapping of str to ndarray
        ``valid_labels`` (V,), ``valid_logits`` (V, K), ``test_labels`` and ``test_logits``, and the
        samples' positions in the data, ``valid_positions`` and ``test_positions``.
    """
    for rule, what in _found(record, arrays, (*_OF_CLASSES, *_OF_SCORES)):
        yield Breach(rule, name_of(record), what)


def breaches_of_decisions(record: Json, decisions: Mapping[str, np.ndarray]) -> Iterator[Breach]:
    """What labels and predicted classes alone contradict in a record.

    Parameters
    ----------
    record : mapping
        Of right shape.
    decisions : mapping of str to ndarray of int64
        ``valid_labels`` and ``valid_predictions`` (V,), ``test_labels`` and ``test_predictions``.
    """
    classes = len(record["data"]["test_counts"])
    for name, indices in decisions.items():
        if indices.max(initial=0) >= classes:
            what = f"expected {name} below {classes}, but got {indices.max()}."
            yield Breach("predictions", name_of(record), what)
            return
    # Scores whose largest is the same; nothing else of them is looked at.
    scores = {
        f"{part}_logits": np.eye(classes, dtype=np.float32)[decisions[f"{part}_predictions"]]
        for part in _PARTS
    }
    arrays = {**decisions, **scores}
    for rule, what in _found(record, arrays, _OF_CLASSES):
        yield Breach(rule, name_of(record), what)


def _found(
    record: Json, arrays: Mapping[str, np.ndarray], names: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    missing = [name for name in _NAMES if name not in arrays]
    if missing:
        yield "predictions", f"expected {', '.join(missing)} among the predictions, but got none."
        return
    data = record["data"]
    classes = len(data["test_counts"])
    for part in _PARTS:
        labels, logits = arrays[f"{part}_labels"], arrays[f"{part}_logits"]
        if logits.shape != (len(labels), classes):
            yield (
                "predictions",
                f"expected {part} logits of shape {(len(labels), classes)}, got {logits.shape}.",
            )
            return
        counts = np.bincount(labels, minlength=classes).tolist()
        if counts != data[f"{part}_counts"]:
            yield (
                "predictions",
                f"expected {part} labels as often as the record says, {data[f'{part}_counts']}, "
                f"but got {counts}.",
            )
            return
    parts = [arrays[name] for name in ("valid_positions", "test_positions") if name in arrays]
    if parts and len(np.unique(np.concatenate(parts))) != sum(map(len, parts)):
        yield "parts apart", "expected every sample in one part once, but some are in two."

    valid = balanced_accuracy(
        arrays["valid_labels"], arrays["valid_logits"].argmax(axis=1), classes
    )
    recorded = record["selection"]["valid_balanced_accuracy"]
    if not same(recorded, valid):
        yield (
            "selection recomputed",
            f"expected a validation balanced accuracy of {valid}, as the stored predictions say, "
            f"but got {recorded}.",
        )
    try:
        metrics = evaluate(
            arrays["test_labels"], arrays["test_logits"], np.asarray(data["train_counts"])
        )
    except DataError as error:
        yield "metrics recomputed", str(error)
        return
    if [list(row) for row in metrics.confusion] != record["confusion"]:
        yield (
            "metrics recomputed",
            f"expected the confusion matrix {metrics.confusion}, as the stored predictions say, "
            f"but got {record['confusion']}.",
        )
    figures = metrics.to_record()["metrics"]
    for name in names:
        if not same(record["metrics"].get(name), figures[name]):
            yield (
                "metrics recomputed",
                f"expected {name} = {figures[name]}, as the stored predictions say, but got "
                f"{record['metrics'].get(name)}.",
            )
