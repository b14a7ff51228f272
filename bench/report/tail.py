"""How far the recall of tail classes would move with other test samples of as many."""

from __future__ import annotations

import numpy as np

from bench.metrics import frequency_groups
from bench.report.cells import Cell
from bench.statistics import mean_recall_interval

_TAIL = "recall_tail"


def tail_interval(cell: Cell) -> tuple[float, float] | None:
    """95 % interval of a cell of tail recall in percent, mean over runs; None of other cells."""
    if cell.measure.name != _TAIL or not cell.values:
        return None
    bounds = []
    for run in cell.runs:
        if run.result is not None and run.replicate in cell.values:
            result = run.result
            tail = frequency_groups(np.array(result.train_counts))["tail"]
            tested, right = np.array(result.tested)[tail], np.array(result.right)[tail]
            bounds.append(mean_recall_interval(right[tested > 0], tested[tested > 0]))
    low, high = 100 * np.mean(bounds, axis=0)
    return float(low), float(high)
