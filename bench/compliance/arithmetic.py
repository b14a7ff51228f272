"""Rules on how the figures of a record follow from one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from math import isnan
from typing import Any

import numpy as np

from bench.compliance.rules import name_of
from bench.compliance.violation import Violation
from bench.metrics.confusion import matrix_of_record, mean_present
from bench.metrics.evaluation import ADDED, figures_of_classes
from bench.plain_text import beginning
from bench.training.settings import SELECT_BY

Json = Mapping[str, Any]

# Records hold full precision; only the order of a summation may differ.
TOLERANCE = 1e-9


def violations_of_arithmetic(record: Json) -> Iterator[Violation]:
    """What does not add up in a record whose shape is right."""
    for rule, check in _CHECKS.items():
        what = check(record)
        if what:
            yield Violation(rule, name_of(record), what)


def _adds_up(record: Json) -> str | None:
    counts = record["data"]["test_counts"]
    try:
        matrix = matrix_of_record(record["confusion"])
    except ValueError:  # rows of different lengths
        matrix = np.empty(0)
    if matrix.shape == (len(counts), len(counts)) and matrix.sum(axis=1).tolist() == counts:
        return None
    return (
        "expected the rows of the confusion matrix to add up to the test counts "
        f"{beginning(counts)}, but got {beginning(record['confusion'])}."
    )


def _follows(record: Json) -> str | None:
    if _adds_up(record):
        return None
    matrix = matrix_of_record(record["confusion"])
    figures = figures_of_classes(matrix, np.asarray(record["data"]["train_counts"]))
    later = [name for name in ADDED if name in figures and name in record["metrics"]]
    for name in ("balanced_accuracy", "balanced_f1", "accuracy", "macro_f1", *later):
        if not same(record["metrics"].get(name), figures[name]):
            return (
                f"expected {name} = {figures[name]}, as the confusion matrix says, but got "
                f"{record['metrics'].get(name)}."
            )
    return None


def _areas_follow(record: Json) -> str | None:
    areas = [float("nan") if area is None else area for area in record["per_class"]["auroc"]]
    mean, recorded = mean_present(np.array(areas)), record["metrics"]["auroc_ovr_macro"]
    if same(recorded, mean):
        return None
    return (
        f"expected auroc_ovr_macro = {mean}, the mean of per_class.auroc over the classes that "
        f"have one, but got {recorded}."
    )


def _is_feasible(record: Json) -> str | None:
    counts, metrics = record["data"]["test_counts"], record["metrics"]
    accuracy, f1 = metrics["balanced_accuracy"], metrics["balanced_f1"]
    if len(counts) != 2 or not all(counts) or None in (accuracy, f1) or f1 <= accuracy + TOLERANCE:
        return None
    return (
        "expected balanced F1 to be at most balanced accuracy with two classes, but got "
        f"{f1} > {accuracy}."
    )


def _counts_fit(record: Json) -> str | None:
    data = record["data"]
    lengths = {len(data[name]) for name in ("class_names", "train_counts", "valid_counts")}
    lengths |= {len(data["test_counts"]), len(record["per_class"]["auroc"])}
    if len(lengths) > 1:
        return (
            "expected a count of every set and an AUROC for each class, but got lengths "
            f"{sorted(lengths)}."
        )
    used = sum(sum(data[f"{part}_counts"]) for part in ("train", "valid", "test"))
    if used > data["samples"]:
        return f"expected sets of {data['samples']} samples, but they hold {used}."
    tested = sum(data["test_counts"])
    if record["metrics"].get("samples", tested) != tested:
        return (
            f"expected figures of {tested} samples, as the test counts say, but got "
            f"{record['metrics']['samples']}."
        )
    return None


def _epochs_rise(record: Json) -> str | None:
    epochs = [report["epoch"] for report in record["history"]]
    if epochs != list(range(1, len(epochs) + 1)):
        return f"expected epochs 1, 2, 3 and so on, but got {epochs}."
    budget = record["job"]["training"]["epochs"]
    if len(epochs) > budget:
        return f"expected at most the {budget} epochs asked for, but got {len(epochs)}."
    chosen = record["selection"]["epoch"]
    if chosen not in (epochs or [0]):
        return f"expected the chosen epoch to be one that was trained, but got {chosen}."
    return None


def _selected_as_asked(record: Json) -> str | None:
    asked, selection = record["job"]["training"].get("select_by"), record["selection"]
    if selection.get("by") != asked or ("value" in selection) != (asked is not None):
        return (
            f"expected the epoch to be chosen by {asked or SELECT_BY}, with its value, as the job "
            f"says, but got {selection.get('by', SELECT_BY)}."
        )
    return None


def _ends_after_start(record: Json) -> str | None:
    started, finished = record["time"]["started"], record["time"]["finished"]
    try:
        backwards = datetime.fromisoformat(finished) < datetime.fromisoformat(started)
    except ValueError as error:
        return f"expected days and times that there are, but got {started} and {finished}: {error}."
    if backwards:
        return f"expected the end after the start {started}, but got {finished}."
    return None


def same(recorded: float | None, value: float | None) -> bool:
    """Whether a recorded figure is `value`; None and nan are undefined."""
    one, other = (float("nan") if figure is None else figure for figure in (recorded, value))
    if isnan(one) or isnan(other):
        return isnan(one) and isnan(other)
    return one == other or abs(one - other) <= TOLERANCE


_CHECKS: dict[str, Callable[[Json], str | None]] = {
    "confusion matrix adds up": _adds_up,
    "feasible pair": _is_feasible,
    "metrics follow": _follows,
    "AUROC follows": _areas_follow,
    "counts fit": _counts_fit,
    "epochs rise": _epochs_rise,
    "selected as asked": _selected_as_asked,
    "ends after start": _ends_after_start,
}
