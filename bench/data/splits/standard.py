"""Standard split: long-tailed training set, class-balanced validation and test sets."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from bench.data.splits._assign import (
    assign,
    duplicate_groups,
    positions,
    seeded_order,
    shuffled_groups,
)
from bench.errors import SplitError
from bench.options import Options
from bench.split import Split, Splitter, register_split

# Classes that a message names; the others are counted.
_NAMED = 5


class StandardOptions(Options):
    """Options of the standard split."""

    return_surplus: bool = Field(
        False, description="give surplus valid and test samples back to train"
    )
    group_duplicates: bool = Field(False, description="keep equal samples in one set")


@register_split(
    "standard",
    title="Standard",
    reference="ImDrug, 2022, arXiv 2209.07921, create_standard_fold",
)
class StandardSplit(Splitter):
    """70 / 10 / 20 of the whole set, then valid and test cut to their smallest class count.

    The surplus is thrown away as in ImDrug, or given back to train. A surplus sample whose
    duplicate stays in valid or test is never given back while `group_duplicates` is on.
    """

    options_type = StandardOptions
    options: StandardOptions

    def make(
        self,
        labels: np.ndarray,
        num_classes: int,
        rng: np.random.Generator,
        *,
        groups: np.ndarray | None,
        scaffolds: np.ndarray | None,
    ) -> Split:
        groups = duplicate_groups(groups, self.options.group_duplicates, len(labels))
        parts = assign(shuffled_groups(groups, rng), np.zeros_like(labels))
        train, valid, test = positions(parts)
        valid = _balanced(valid, labels, num_classes, rng, "valid")
        test = _balanced(test, labels, num_classes, rng, "test")
        surplus = np.setdiff1d(np.arange(len(labels)), np.concatenate([train, valid, test]))
        if self.options.return_surplus:
            held_out = np.isin(groups[surplus], groups[np.concatenate([valid, test])])
            train = np.concatenate([train, surplus[~held_out]])
            surplus = surplus[held_out]
        return Split(train=train, valid=valid, test=test, discarded=surplus)


def _balanced(
    members: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    rng: np.random.Generator,
    part: str,
) -> np.ndarray:
    """As many samples of every class as the smallest class has, drawn without replacement."""
    counts = np.bincount(labels[members], minlength=num_classes)
    if counts.min() == 0:
        total = np.bincount(labels, minlength=num_classes)
        absent = np.flatnonzero(counts == 0)
        lost = ", ".join(
            f"class {k} ({total[k]} samples in the whole set)" for k in absent[:_NAMED]
        )
        more = f" and {len(absent) - _NAMED} more classes" if len(absent) > _NAMED else ""
        raise SplitError(
            f"Expected every class in the {part} part of the standard split, but got none of "
            f"{lost}{more}. It draws from all samples: of a class of 10, validation gets none once "
            "in 3 draws. Use the random split, more data, or leave the class out "
            "(--splits random).",
            absent[:_NAMED],
        )
    shuffled = members[seeded_order(len(members), rng)]
    return np.concatenate(
        [shuffled[labels[shuffled] == k][: counts.min()] for k in range(num_classes)]
    )
