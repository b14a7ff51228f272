"""Rules on the runs of a results folder, their predictions included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from bench.compliance.breach import Breach
from bench.compliance.predictions import breaches_of_predictions
from bench.compliance.records import breaches_of_records

Json = Mapping[str, Any]


def breaches_of_stored(
    records: Iterable[Json], predictions: Callable[[str], Mapping[str, np.ndarray]]
) -> Iterator[Breach]:
    """What each record breaks on its own, or together with its predictions.

    Parameters
    ----------
    records : iterable of mapping
        Whole ones, as the store gives them.
    predictions : callable
        The stored arrays of a job id.
    """
    for record in records:
        alone = breaches_of_records([record])
        yield from alone or breaches_of_predictions(record, predictions(record["job_id"]))
