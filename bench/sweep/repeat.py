"""Which stored runs are trained again, and how equal the two are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
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


def draw(records: Mapping[str, Json], number: int, seed: int) -> set[str]:
    """Ids of `number` runs of each method, with the runs that those depend on.

    Of a method's runs those are drawn first whose data set and split have been drawn least. Where
    that leaves out a data set, split or encoder, further runs are drawn.

    Parameters
    ----------
    records : mapping
        Of stored runs, by job id; runs that they depend on are among them.
    number : int
    seed : int
        Decides the draw.
    """
    rng = random.Random(seed)  # noqa: S311 (a sample, no secret)
    methods: dict[str, list[str]] = {}
    for job_id, record in sorted(records.items()):
        methods.setdefault(record["job"]["method"]["name"], []).append(job_id)
    drawn: set[str] = set()
    covered: Counter[tuple[str, str]] = Counter()

    def take(job_id: str) -> None:
        if job_id in drawn:
            return
        drawn.add(job_id)
        covered[_column(records[job_id])] += 1
        for needed in records[job_id]["job"]["requires"].values():
            take(needed)

    def dependencies(name: str) -> int:
        return max(len(records[job_id]["job"]["requires"]) for job_id in methods[name])

    # What others depend on is trained for them anyway, and counts for its own method.
    for name in sorted(methods, key=lambda name: (-dependencies(name), name)):
        left = [job_id for job_id in methods[name] if job_id not in drawn]
        rng.shuffle(left)
        while left and len(methods[name]) - len(left) < number:
            take(min(left, key=lambda job_id: covered[_column(records[job_id])]))
            left = [job_id for job_id in left if job_id not in drawn]
    parts = {job_id: components(record) for job_id, record in records.items()}
    missing = set().union(*parts.values()) - set().union(*(parts[one] for one in drawn))
    while missing:
        candidates = rng.sample(sorted(parts), len(parts))
        take(best := max(candidates, key=lambda job_id: len(parts[job_id] & missing)))
        missing -= parts[best]
    return drawn


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
    for name in ("metrics", "selection"):
        if stored[name] != again[name]:
            yield name
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

    Early records do not name the processor; those count as made on this one, the stricter reading.
    """
    origins = [record["provenance"] for record in (stored, again)]
    cpus = {
        origin.get("cpu") or (record.get("confirmed") or {}).get("cpu")
        for origin, record in zip(origins, (stored, again), strict=True)
    }
    one, other = (
        (
            origin["device"],
            origin.get("platform"),
            *(origin["packages"].get(name) for name in _PACKAGES),
        )
        for origin in origins
    )
    return one == other and len(cpus - {None}) < 2


def components(record: Json) -> set[tuple[str, str]]:
    """Data set, split and encoders of a run, as (kind, name)."""
    job = record["job"]
    encoders = {("encoder", part["name"]) for part in job["backbones"].values()}
    return {("data set", job["dataset"]["name"]), ("split", job["split"]["name"]), *encoders}
