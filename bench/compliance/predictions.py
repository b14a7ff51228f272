"""Rules on what was stored of a run beside its record: the predictions say the same figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bench.compliance.arithmetic import same
from bench.compliance.rules import name_of
from bench.compliance.violation import Violation
from bench.errors import DataError
from bench.metrics.confusion import confusion_matrix, matrix_to_record, mean_present, recalls
from bench.metrics.evaluation import (
    ADDED,
    FIGURES,
    figure_named,
    figures_of_classes,
    figures_of_scores,
)

Json = Mapping[str, Any]
_PARTS = ("valid", "test")
_NAMES = tuple(f"{part}_{what}" for part in _PARTS for what in ("labels", "logits"))


def violations_of_predictions(
    record: Json, arrays: Mapping[str, np.ndarray]
) -> Iterator[Violation]:
    """What the predictions of a run contradict in its record.

    Parameters
    ----------
    record : mapping
        Of right shape.
    arrays : mapping of str to ndarray
        ``valid_labels`` (V,), ``valid_logits`` (V, K), ``test_labels`` and ``test_logits``, and the
        samples' positions in the data, ``valid_positions`` and ``test_positions``.
    """
    where = name_of(record)
    missing = [name for name in _NAMES if name not in arrays]
    if missing:
        what = f"expected {', '.join(missing)} among the predictions, but got none."
        yield Violation("predictions", where, what)
        return
    classes = len(record["data"]["test_counts"])
    for part in _PARTS:
        expected, shape = (len(arrays[f"{part}_labels"]), classes), arrays[f"{part}_logits"].shape
        if shape != expected:
            what = f"expected {part} logits of shape {expected}, got {shape}."
            yield Violation("predictions", where, what)
            return
    parts = [arrays[name] for name in ("valid_positions", "test_positions") if name in arrays]
    if parts and len(np.unique(np.concatenate(parts))) != sum(map(len, parts)):
        what = "expected every sample in one set once, but some are in two."
        yield Violation("sets apart", where, what)
    labels = {f"{part}_labels": arrays[f"{part}_labels"] for part in _PARTS}
    chosen = {f"{part}_predictions": arrays[f"{part}_logits"].argmax(axis=1) for part in _PARTS}
    yield from violations_of_decisions(record, {**labels, **chosen})
    try:
        figures = figures_of_scores(
            arrays["test_labels"],
            arrays["test_logits"],
            np.asarray(record["data"]["train_counts"]),
        )
    except DataError as error:
        yield Violation("metrics recomputed", where, str(error))
        return
    yield from _violations_of_figures(record, figures)
    yield from _violations_of_selection(record, arrays["valid_labels"], arrays["valid_logits"])


def violations_of_decisions(
    record: Json, predicted: Mapping[str, np.ndarray]
) -> Iterator[Violation]:
    """What labels and predicted classes alone contradict in a record.

    Figures that need scores are not looked at.

    Parameters
    ----------
    record : mapping
        Of right shape.
    predicted : mapping of str to ndarray of int64
        ``valid_labels`` and ``valid_predictions`` (V,), ``test_labels`` and ``test_predictions``.
    """
    where, data = name_of(record), record["data"]
    classes = len(data["test_counts"])
    for name, indices in predicted.items():
        wrong = indices[(indices < 0) | (indices >= classes)]
        if len(wrong):
            what = f"expected {name} from 0 to {classes - 1}, but got {wrong[0]}."
            yield Violation("predictions", where, what)
            return
    for part in _PARTS:
        counts = np.bincount(predicted[f"{part}_labels"], minlength=classes).tolist()
        if counts != data[f"{part}_counts"]:
            what = (
                f"expected {part} labels as often as the record says, {data[f'{part}_counts']}, "
                f"but got {counts}."
            )
            yield Violation("predictions", where, what)
            return
        labels, chosen = (len(predicted[f"{part}_{what}"]) for what in ("labels", "predictions"))
        if labels != chosen:
            what = f"expected a prediction for each of {labels} {part} labels, but got {chosen}."
            yield Violation("predictions", where, what)
            return
    valid, test = (
        confusion_matrix(predicted[f"{part}_labels"], predicted[f"{part}_predictions"], classes)
        for part in _PARTS
    )
    score, recorded = mean_present(recalls(valid)), record["selection"]["valid_balanced_accuracy"]
    if not same(recorded, score):
        what = (
            f"expected a validation balanced accuracy of {score}, as the stored predictions say, "
            f"but got {recorded}."
        )
        yield Violation("selection recomputed", where, what)
    confusion = matrix_to_record(test)
    if confusion != record["confusion"]:
        what = (
            f"expected the confusion matrix {confusion}, as the stored predictions say, but got "
            f"{record['confusion']}."
        )
        yield Violation("metrics recomputed", where, what)
    yield from _violations_of_figures(
        record, figures_of_classes(test, np.asarray(data["train_counts"]))
    )


def _violations_of_selection(
    record: Json, labels: np.ndarray, logits: np.ndarray
) -> Iterator[Violation]:
    """Of a run whose epoch another figure than balanced accuracy chose."""
    by, where = record["selection"].get("by"), name_of(record)
    if by is None:
        return
    if by not in FIGURES:
        what = f"expected one of {', '.join(FIGURES)} to choose the epoch, but got {by}."
        yield Violation("selection recomputed", where, what)
        return
    try:
        value = figure_named(by, labels, logits, np.asarray(record["data"]["train_counts"]))
    except DataError as error:
        yield Violation("selection recomputed", where, str(error))
        return
    recorded = record["selection"]["value"]
    if not same(recorded, value):
        what = (
            f"expected {by} = {value} on validation, as the stored predictions say, but got "
            f"{recorded}."
        )
        yield Violation("selection recomputed", where, what)


def _violations_of_figures(record: Json, figures: Mapping[str, float]) -> Iterator[Violation]:
    for name, value in figures.items():
        if name in ADDED and name not in record["metrics"]:
            continue  # the record is older than the figure
        recorded = record["metrics"].get(name)
        if not same(recorded, value):
            what = f"expected {name} = {value}, as the stored predictions say, but got {recorded}."
            yield Violation("metrics recomputed", name_of(record), what)
