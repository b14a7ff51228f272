"""Frequent, medium and rare classes of a data set, and how much of them a method recognises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.metrics import count_groups, frequency_groups
from bench.report.model.cells import Cell, Result
from bench.report.model.many_classes import GROUPS_IN_WORDS, MOST_CLASSES_SHOWN

# What a reader meets, and the names of the groups by share of the classes and by counts.
_BY_SHARE = {"frequent": "head", "rare": "tail"}
_BY_COUNT = {"frequent": "many", "medium": "medium", "rare": "few"}


@dataclass(frozen=True)
class FrequencyGroup:
    """A group of classes by their training samples.

    Attributes
    ----------
    name : str
        Short: ``frequent``, ``medium`` or ``rare``.
    says : str
        Which classes these are.
    class_name : str
        Of the only class in it; nothing of several.
    class_index : int or None
        Of the same class.
    """

    name: str
    says: str
    class_name: str = ""
    class_index: int | None = None

    @property
    def short(self) -> str:
        """The one class, if it is one, or the group."""
        return f"{self.class_name} ({self.name})" if self.class_name else self.name


def groups_of(results: Sequence[Result]) -> list[FrequencyGroup]:
    """Frequent and rare classes of the runs of a place; of very many classes, those between too.

    A class that has a name is the same in all runs: by its samples in training, mean over runs.
    """
    if not results:
        return []
    counts = np.mean([result.train_counts for result in results], axis=0)
    classes, every = _classes(counts), len(counts)
    if every > MOST_CLASSES_SHOWN:
        return [
            FrequencyGroup(name, f"{GROUPS_IN_WORDS[_BY_COUNT[name]]} training samples")
            for name, own in classes.items()
            if len(own)
        ]
    head, tail, names = classes["frequent"], classes["rare"], results[0].class_names
    if not len(head):
        return []
    if len(head) == 1 and names:
        return [
            FrequencyGroup(name, f"class {names[own[0]]}", names[own[0]], int(own[0]))
            for name, own in classes.items()
        ]
    return [
        FrequencyGroup("frequent", f"the {len(head)} most frequent of {every} classes"),
        FrequencyGroup("rare", f"the {len(tail)} rarest"),
    ]


def group_recall(cell: Cell, group: FrequencyGroup) -> float | None:
    """Mean recall of the tested classes of a group in percent, mean over runs.

    A group of several classes holds in each run those that are so there. None where no run has
    tested any.
    """
    index = group.class_index
    found = []
    for run in cell.runs:
        if run.result is not None:
            own = _classes(run.result.train_counts)[group.name] if index is None else [index]
            tested, right = np.array(run.result.tested)[own], np.array(run.result.right)[own]
            if tested.any():
                found.append((right[tested > 0] / tested[tested > 0]).mean())
    return 100 * float(np.mean(found)) if found else None


def _classes(train_counts: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Indices of the classes in each group."""
    counts = np.asarray(train_counts)
    many = len(counts) > MOST_CLASSES_SHOWN
    groups, names = (
        (count_groups(counts), _BY_COUNT) if many else (frequency_groups(counts), _BY_SHARE)
    )
    return {name: groups[own] for name, own in names.items()}
