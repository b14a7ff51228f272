"""The rule that runs on one split of the same samples have the same labels.

A record counts the labels of each class alone: labels in another order, with predictions to suit
them, contradict nothing that one run says.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bench.compliance.rules import name_of
from bench.compliance.violation import Violation

Json = Mapping[str, Any]
_PARTS = ("valid", "test")


class _Labelled(NamedTuple):
    job_id: str
    name: str
    digests: tuple[bytes, ...]


class LabelsOfSplits:
    """Of each run that is added, checksums of its labels; the labels themselves are not kept."""

    def __init__(self) -> None:
        self._runs: defaultdict[tuple[str, str], list[_Labelled]] = defaultdict(list)

    def add(self, record: Json, arrays: Mapping[str, np.ndarray]) -> None:
        """Remember the labels of a run, which keeps the rules on one run alone.

        Parameters
        ----------
        record : mapping
        arrays : mapping of str to ndarray
            ``valid_labels`` (V,) and ``test_labels`` (M,), among others.
        """
        split = record["data"]["content_sha256"], record["data"]["split_hash"]
        digests = tuple(_digest(arrays[f"{part}_labels"]) for part in _PARTS)
        self._runs[split].append(_Labelled(record["job_id"], name_of(record), digests))

    def violations(self) -> dict[str, Violation]:
        """By job id, the runs whose labels are others than those of most on their split.

        Where no labels are those of most, as with two runs, all that differ are named.
        """
        found = {}
        for runs in self._runs.values():
            times = Counter(run.digests for run in runs)
            number = max(times.values())
            expected = {digests for digests, count in times.items() if count == number}
            for run in runs:
                others = expected - {run.digests}
                if others:
                    other = next(one for one in runs if one.digests in others)
                    found[run.job_id] = _violation(run, other, f"{number} of {len(runs)}")
        return found


def _violation(run: _Labelled, other: _Labelled, how_many: str) -> Violation:
    pairs = zip(_PARTS, run.digests, other.digests, strict=True)
    parts = " and ".join(part for part, one, another in pairs if one != another)
    return Violation(
        "labels of the split",
        run.name,
        f"expected the {parts} labels of job {other.job_id}, as {how_many} runs on this split of "
        "these samples have them, but got others. Delete the folders of the runs that differ and "
        "run the benchmark command again.",
    )


def _digest(labels: np.ndarray) -> bytes:
    return hashlib.sha256(labels.astype(np.int64).tobytes()).digest()
