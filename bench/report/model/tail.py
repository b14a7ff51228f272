"""How far the recall of rare classes would move with other test samples of as many."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bench.metrics import count_groups, frequency_groups
from bench.report.model.cells import Cell
from bench.statistics import mean_recall_interval

RARE: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "recall_tail": lambda counts: frequency_groups(counts)["tail"],
    "recall_few": lambda counts: count_groups(counts)["few"],
}


def tail_interval(cell: Cell) -> tuple[float, float] | None:
    """95 % interval of a cell of the recall of rare classes in percent, mean over runs.

    None of other cells.
    """
    if cell.measure.name not in RARE or not cell.values:
        return None
    bounds = []
    for run in cell.runs:
        if run.result is not None and run.replicate in cell.values:
            result = run.result
            tail = RARE[cell.measure.name](np.array(result.train_counts))
            tested, right = np.array(result.tested)[tail], np.array(result.right)[tail]
            bounds.append(mean_recall_interval(right[tested > 0], tested[tested > 0]))
    low, high = 100 * np.mean(bounds, axis=0)
    return float(low), float(high)
