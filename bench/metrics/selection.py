"""What a record says of the validation figure that chose its epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.metrics.evaluation import LOWER_IS_BETTER


def validation_score(selection: Mapping[str, Any]) -> float:
    """What validation says of a run by the ``selection`` of its record, so that more is better.

    By balanced accuracy, or by the figure that chose the epoch; minus infinity where undefined.
    """
    value = selection["value"] if "by" in selection else selection["valid_balanced_accuracy"]
    if value is None:
        return -math.inf
    return float(-value if selection.get("by") in LOWER_IS_BETTER else value)
