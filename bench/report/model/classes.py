"""Over how many of its classes a figure is averaged."""

from __future__ import annotations

import numpy as np

from bench.metrics import count_groups, frequency_groups
from bench.report.model.cells import Cell, Result

_OVER_ALL = (
    "balanced_accuracy", "balanced_f1", "auroc_ovr_macro", "macro_f1", "average_precision",
    "g_mean",
)  # fmt: skip


def classes_used(cell: Cell) -> tuple[int, int, int] | None:
    """Fewest and most classes in a run's figure, and those it should average over.

    A class without test samples has no recall, and the mean is over the others. None of figures
    that are no mean over classes, and without a run.
    """
    used, classes = [], 0
    for run in cell.runs:
        if run.result is not None and run.replicate in cell.values:
            averaged = _averaged(cell.measure.name, run.result)
            if averaged is None:
                return None
            used.append(int(np.count_nonzero(np.array(run.result.tested)[averaged])))
            classes = len(averaged)
    return (min(used), max(used), classes) if used else None


def missing_classes(cell: Cell) -> str:
    """``3 of 5 classes`` where a run's figure leaves out a class, or nothing."""
    if all(all(run.result.tested) for run in cell.runs if run.result is not None):
        return ""  # as most often; a report asks thousands of times
    found = classes_used(cell)
    if found is None or found[0] == found[2]:
        return ""
    least, most, classes = found
    return f"{least if least == most else f'{least} to {most}'} of {classes} classes"


def _averaged(metric: str, result: Result) -> np.ndarray | None:
    if metric in _OVER_ALL:
        return np.arange(len(result.tested))
    counts = np.array(result.train_counts)
    groups = {**frequency_groups(counts), **count_groups(counts)}
    return groups.get(metric.removeprefix("recall_"))
