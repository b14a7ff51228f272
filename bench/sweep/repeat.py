"""Which stored runs are trained again, and how equal the two are."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Json = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]

BIT_FOR_BIT = "bit for bit"
BOUND = 3
WITHIN = "within three standard errors"

# Versions that decide how sums are rounded.
_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn")
_PROCESSOR = ("cpu", "instructions")


def draw(
    records: Mapping[str, Json], number: int, seed: int, trained: Collection[str] = ()
) -> set[str]:
    """Ids of `number` runs of each method with its options, and of the runs that they depend on.

    What is trained anyway, as others depend on it, counts. Of a method's other runs those are
    drawn first of which most is `trained` already, then those whose data set and split have been
    drawn least. Where that leaves out a data set, split or encoder, further runs are drawn.

    Parameters
    ----------
    records : mapping
        Of stored runs, by job id; runs that they depend on are among them.
    number : int
    seed : int
        Decides the draw.
    trained : collection of str
        Ids of runs that have been trained again before.
    """
    methods: dict[str, list[str]] = {}
    for job_id, record in records.items():
        methods.setdefault(label_of(record), []).append(job_id)
    needs = {job_id: _needs(job_id, records) for job_id in records}
    # Each run has a number of its own, so that what is drawn hardly depends on the other runs.
    numbers = {job_id: _random(seed, job_id) for job_id in records}
    drawn: set[str] = set()
    covered: Counter[tuple[str, str]] = Counter()

    def take(job_id: str) -> None:
        for one in needs[job_id] - drawn:
            covered[_column(records[one])] += 1
        drawn.update(needs[job_id])

    def preference(job_id: str) -> tuple[int, int, int]:
        to_train = len(needs[job_id] - drawn - set(trained))
        return to_train, covered[_column(records[job_id])], numbers[job_id]

    # What others depend on first, so that it counts for its own method.
    for label in sorted(methods, key=lambda one: (-max(len(needs[i]) for i in methods[one]), one)):
        while len(drawn & set(methods[label])) < min(number, len(methods[label])):
            take(min(set(methods[label]) - drawn, key=preference))
    parts = {job_id: components(record) for job_id, record in records.items()}
    missing = set().union(*parts.values()) - set().union(*(parts[one] for one in drawn))
    while missing:
        best = min(parts, key=lambda one: (-len(parts[one] & missing), *preference(one)))
        take(best)
        missing -= parts[best]
    return drawn


def label_of(record: Json) -> str:
    """The method of a run with its options: another option may be another way through the code."""
    method = record["job"]["method"]
    return f"{method['name']} {json.dumps(method['options'], sort_keys=True)}"


def _needs(job_id: str, records: Mapping[str, Json]) -> set[str]:
    """A run and all that it depends on."""
    requires = records[job_id]["job"]["requires"].values()
    return {job_id}.union(*(_needs(needed, records) for needed in requires))


def _random(seed: int, job_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {job_id}".encode()).digest()[:8])


def _column(record: Json) -> tuple[str, str]:
    return record["job"]["dataset"]["label"], record["job"]["split"]["label"]


@dataclass(frozen=True)
class Comparison:
    """A stored run beside the same run trained again.

    Attributes
    ----------
    differences : tuple of str
        What is not equal to the last bit, in words; nothing where all is.
    same_machine : bool
        Whether both were made with the same processor and packages, as far as is recorded.
    difference, standard_error : float
        Of the balanced accuracy, the later run's less the stored one's, as fractions.
    """

    differences: tuple[str, ...]
    same_machine: bool
    difference: float
    standard_error: float

    @property
    def verdict(self) -> str | None:
        """How equal they are; None where they are not equal enough.

        On the same kind of machine equal means to the last bit. On another one sums are rounded
        otherwise, and a training that began alike drifts: then the balanced accuracy must agree
        within three standard errors of the paired difference.
        """
        if not self.differences:
            return BIT_FOR_BIT
        if self.same_machine or abs(self.difference) > BOUND * self.standard_error:
            return None
        return WITHIN


def compare(stored: Json, again: Json, before: Arrays, after: Arrays) -> Comparison:
    """Compare two runs of one job.

    Parameters
    ----------
    stored, again : mapping
        Their records.
    before, after : mapping of str to ndarray
        Their predictions, or predicted labels where the stored run came from an archive, under the
        same names.
    """
    difference, standard_error = _paired(before, after)
    return Comparison(
        tuple(_differences(stored, again, before, after)),
        _same_machine(stored, again),
        difference,
        standard_error,
    )


def _differences(stored: Json, again: Json, before: Arrays, after: Arrays) -> Iterator[str]:
    for name in sorted(before):
        if not np.array_equal(before[name], after[name]):
            count = int((before[name] != after[name]).sum()) if _same_shape(before, after) else "?"
            yield f"{name.replace('_', ' ')} ({count} of {before[name].size} values)"
    # A figure that is younger than the stored run is in the other one alone.
    if any(again["metrics"].get(name) != value for name, value in stored["metrics"].items()):
        yield "metrics"
    if stored["selection"] != again["selection"]:
        yield "selection"
    pairs = zip(stored["history"], again["history"], strict=False)
    changed = [
        one["epoch"]
        for one, other in pairs
        if any(one[key] != other[key] for key in ("train_loss", "valid_balanced_accuracy"))
    ]
    if changed:
        yield f"training from epoch {changed[0]} on"
    elif len(stored["history"]) != len(again["history"]):
        yield "number of epochs"


def _same_shape(before: Arrays, after: Arrays) -> bool:
    return all(before[name].shape == after[name].shape for name in before)


def _paired(before: Arrays, after: Arrays) -> tuple[float, float]:
    """Difference of the balanced accuracies, and its standard error over test samples.

    With d_k of the n_k samples of class k right in one run alone, the error is
    ``sqrt(sum_k d_k / n_k^2) / K``, that of McNemar's test class by class.
    """
    labels = before["test_labels"]
    one, other = (_predicted(arrays) == labels for arrays in (before, after))
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    gained = np.bincount(place, other.astype(float) - one) / counts
    discordant = np.bincount(place, (one != other).astype(float))
    error = np.sqrt((discordant / counts**2).sum()) / len(classes)
    return float(gained.mean()), float(error)


def _predicted(arrays: Arrays) -> np.ndarray:
    if "test_predictions" in arrays:
        return arrays["test_predictions"]
    return arrays["test_logits"].argmax(axis=1)


def _same_machine(stored: Json, again: Json) -> bool:
    """Whether everything agrees that decides how sums are rounded.

    Early records do not name the processor, or not its instructions; what is not named counts as
    that of this one, the stricter reading.
    """
    one, other = (
        (
            record["provenance"]["device"],
            record["provenance"].get("platform"),
            *(record["provenance"]["packages"].get(name) for name in _PACKAGES),
        )
        for record in (stored, again)
    )
    named = ({_processor(record, key) for record in (stored, again)} for key in _PROCESSOR)
    return one == other and all(len(values - {None}) < 2 for values in named)


def _processor(record: Json, key: str) -> str | None:
    """What the record, or else who confirmed it, says of the processor."""
    return record["provenance"].get(key) or (record.get("confirmed") or {}).get(key) or None


def components(record: Json) -> set[tuple[str, str]]:
    """Data set, split and encoders of a run, as (kind, name)."""
    job = record["job"]
    encoders = {("encoder", part["name"]) for part in job["backbones"].values()}
    return {("data set", job["dataset"]["name"]), ("split", job["split"]["name"]), *encoders}
