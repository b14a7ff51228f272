"""What a reader of results must know about a split: sizes, lost classes, leaks, small tests.

A broken invariant is an error. Everything else is a finding: data, and a sentence about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from bench.errors import SplitError
from bench.plain_text import some_of
from bench.split import Split

# Below this many test samples a class, one sample moves a recall by more than 3 points.
FEW_SAMPLES = 30

# A scaffold group above the size of the test set, 20 %, cannot be tested on.
LARGE_SCAFFOLD_SHARE = 0.2

EXAMPLES = 3

# Classes that a sentence names; the others are counted.
_NAMED = 5


@dataclass(frozen=True)
class AbsentClass:
    """A class without a sample in one set."""

    part: str
    class_name: str
    total: int


@dataclass(frozen=True)
class SharedSamples:
    """Equal molecules, reactions or pairs that stand in two sets.

    Attributes
    ----------
    first, second : str
        The parts.
    distinct : int
        Identities in both.
    first_samples, second_samples : int
        Samples with these identities in each set.
    examples : tuple of (int, int)
        A row of the first set and its equal in the second, for the first few identities.
    """

    first: str
    second: str
    distinct: int
    first_samples: int
    second_samples: int
    examples: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ScaffoldGroups:
    """How the samples fall into scaffolds; each empty scaffold is a group of its own.

    Attributes
    ----------
    groups : int
    largest_share, empty_share : float
        Of all samples, those of the largest group and those without a scaffold.
    tested_share : float
        Of the test set, those of the group that is the largest there.
    """

    groups: int
    largest_share: float
    empty_share: float
    tested_share: float


@dataclass(frozen=True)
class SplitAudit:
    """Facts about one split.

    Attributes
    ----------
    split_hash : str
        Hash of the split audited.
    class_names : tuple of str
        Length K.
    counts : dict of str to tuple of int
        Samples per class in train, valid, test and discarded.
    test_standard_error : float
        Standard error of one balanced accuracy measured on the test set, at recalls of 50 %,
        where it is largest; see :func:`balanced_accuracy_standard_error`.
    absent : tuple of AbsentClass
    shared : tuple of SharedSamples
        Empty also when no identity was given.
    scaffolds : ScaffoldGroups or None
        None when no scaffolds were given.
    notes : tuple of str
        What the split says of itself.
    can_group : bool
        Whether the split has the option ``group_duplicates``, and it is off.
    """

    split_hash: str
    class_names: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    test_standard_error: float
    absent: tuple[AbsentClass, ...]
    shared: tuple[SharedSamples, ...]
    scaffolds: ScaffoldGroups | None
    notes: tuple[str, ...] = ()
    can_group: bool = True

    @property
    def sizes(self) -> dict[str, int]:
        """Samples in train, valid, test and discarded."""
        return {part: sum(counts) for part, counts in self.counts.items()}

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences on findings that leave metrics undefined."""
        found = []
        for part in self.counts:
            lost = [absent for absent in self.absent if absent.part == part]
            if len(lost) > _NAMED:
                names = some_of([absent.class_name for absent in lost], _NAMED)
                found.append(
                    f"{len(lost)} of {len(self.class_names)} classes have no sample in {part}, "
                    f"such as {names}: their metrics there are nan and means are taken over the "
                    "other classes."
                )
                continue
            found += [
                f"Class {absent.class_name} ({absent.total} samples in all) has no sample in "
                f"{part}: its metrics there are nan and means are taken over the other classes."
                for absent in lost
            ]
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on findings that make numbers less certain or too good."""
        hint = " The option group_duplicates keeps equal samples in one set." * self.can_group
        found = [*self.notes, *(_shared_text(shared) + hint for shared in self.shared)]
        smallest = min((count for count in self.counts["test"] if count), default=0)
        if smallest < FEW_SAMPLES:
            name = self.class_names[self.counts["test"].index(smallest)]
            found.append(
                f"The smallest class in test, {name}, has {smallest} samples, fewer than "
                f"{FEW_SAMPLES}: the standard error of one balanced accuracy is up to "
                f"{100 * self.test_standard_error:.1f} points (binomial, at recalls of 50 %)."
            )
        if self.scaffolds is not None:
            found += _scaffold_texts(self.scaffolds)
        return tuple(found)

    def table(self) -> tuple[tuple[str, ...], list[tuple[str | int, ...]]]:
        """Column names, and a row of counts for each class and for all of them."""
        columns = tuple(self.counts)
        rows: list[tuple[str | int, ...]] = [
            (name, *(self.counts[column][k] for column in columns))
            for k, name in enumerate(self.class_names)
        ]
        return ("class", *columns), [*rows, ("all", *self.sizes.values())]

    def to_json(self) -> dict[str, Any]:
        """All facts and sentences as plain values."""
        return asdict(self) | {"problems": list(self.problems), "warnings": list(self.warnings)}


def audit(
    split: Split,
    labels: np.ndarray,
    num_classes: int,
    identity: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    *,
    rows: np.ndarray | None = None,
    scaffolds: np.ndarray | None = None,
    can_group: bool = True,
) -> SplitAudit:
    """Examine a split of M samples of K classes.

    That the sets are disjoint, complete and not empty is part of being a :class:`Split`.

    Parameters
    ----------
    split : Split
    labels : ndarray of int64, shape (M,)
    num_classes : int
        K.
    identity : ndarray of int64, shape (M,), optional
        Equal numbers are equal samples, see `PreparedData.identity`.
    class_names : sequence of str, optional
        Length K; the class indices when None.
    rows : ndarray of int64, shape (M,), optional
        Row of the file of each sample, by which samples are named; positions when None.
    scaffolds : ndarray of int64, shape (M,), optional
        Equal numbers are equal scaffolds; negative is the empty scaffold.
    can_group : bool
        Whether the split has an option that keeps equal samples in one set, and it is off.

    Raises
    ------
    SplitError
        The split is of another number of samples, or a class is absent from training.
    """
    if len(split) != len(labels):
        raise SplitError(
            f"Expected a split of {len(labels)} samples, but got one of {len(split)}. "
            "Put samples that are in no set into `discarded`."
        )
    names = tuple(class_names) if class_names is not None else tuple(map(str, range(num_classes)))
    rows = rows if rows is not None else np.arange(len(labels))
    columns = split.parts() | {"discarded": split.discarded}
    counts = {
        part: np.bincount(labels[positions], minlength=num_classes)
        for part, positions in columns.items()
    }
    total = np.sum(list(counts.values()), axis=0)
    absent = tuple(
        AbsentClass(part, names[k], int(total[k]))
        for part in split.parts()
        for k in np.flatnonzero(counts[part] == 0)
    )
    untrained = [lost.class_name for lost in absent if lost.part == "train"]
    if untrained:
        raise SplitError(
            "Expected every class in the training set, but got no sample of "
            f"{some_of(untrained, _NAMED)}. Use the random split, more data, or leave the class "
            "out."
        )
    return SplitAudit(
        split_hash=split.hash,
        class_names=names,
        counts={part: tuple(own.tolist()) for part, own in counts.items()},
        test_standard_error=balanced_accuracy_standard_error(counts["test"]),
        absent=absent,
        shared=() if identity is None else _shared(split, identity, rows),
        scaffolds=None if scaffolds is None else _scaffold_groups(scaffolds, split.test),
        notes=split.notes,
        can_group=can_group,
    )


def balanced_accuracy_standard_error(counts: np.ndarray, recall: float = 0.5) -> float:
    """Binomial standard error of a balanced accuracy.

    sqrt(recall (1 - recall) sum_k 1/n_k) / K over the K classes present, whose recalls are taken
    as independent and equal. A recall of 0.5 gives the largest value.

    Parameters
    ----------
    counts : ndarray of int, shape (K,)
        Test samples of each class.
    recall : float
        Supposed recall of every class.

    Examples
    --------
    >>> round(balanced_accuracy_standard_error(np.array([289, 289]), recall=0.8), 4)
    0.0166
    """
    present = counts[counts > 0]
    return float(np.sqrt(recall * (1 - recall) * np.sum(1 / present)) / len(present))


def _shared(split: Split, identity: np.ndarray, rows: np.ndarray) -> tuple[SharedSamples, ...]:
    found = []
    for (first, own), (second, other) in combinations(split.parts().items(), 2):
        both = np.intersect1d(identity[own], identity[other])
        if not len(both):
            continue
        own, other = own[np.isin(identity[own], both)], other[np.isin(identity[other], both)]
        examples = tuple(
            (int(rows[position]), int(rows[other[identity[other] == identity[position]][0]]))
            for position in own[np.sort(np.unique(identity[own], return_index=True)[1])[:EXAMPLES]]
        )
        found.append(SharedSamples(first, second, len(both), len(own), len(other), examples))
    return tuple(found)


def _shared_text(shared: SharedSamples) -> str:
    examples = ", ".join(f"{first} = {second}" for first, second in shared.examples)
    return (
        f"Equal samples in {shared.first} and {shared.second}: {shared.distinct} distinct, on "
        f"{shared.first_samples} and {shared.second_samples} rows, such as rows {examples}."
    )


def _scaffold_groups(scaffolds: np.ndarray, test: np.ndarray) -> ScaffoldGroups:
    empty = int(np.count_nonzero(scaffolds < 0))
    _, sizes = np.unique(scaffolds[scaffolds >= 0], return_counts=True)
    largest = int(sizes.max()) if len(sizes) else 1
    tested = scaffolds[test][scaffolds[test] >= 0]
    return ScaffoldGroups(
        groups=len(sizes) + empty,
        largest_share=largest / len(scaffolds),
        empty_share=empty / len(scaffolds),
        tested_share=max(np.unique(tested, return_counts=True)[1], default=0) / max(len(test), 1),
    )


def _scaffold_texts(scaffolds: ScaffoldGroups) -> list[str]:
    largest = (
        f"The largest of {scaffolds.groups} scaffold groups holds "
        f"{scaffolds.largest_share:.1%} of the samples"
    )
    if scaffolds.empty_share == 1:
        return [f"{largest}: no molecule has a ring, so a scaffold split is a random split."]
    if scaffolds.tested_share > 0.5:
        return [
            f"One scaffold group is {scaffolds.tested_share:.0%} of the test set: the score says "
            "little of other scaffolds."
        ]
    if scaffolds.largest_share > LARGE_SCAFFOLD_SHARE:
        return [f"{largest}: it can only be trained on, so test holds none like it."]
    return []
