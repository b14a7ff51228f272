"""Scaffold split: molecules with one Bemis-Murcko scaffold stay in one set."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from bench.data.splits._assign import assign_whole, duplicate_groups, positions
from bench.options import Options
from bench.split import Split, Splitter, register_split


class ScaffoldOptions(Options):
    """Options of the scaffold split."""

    group_duplicates: bool = Field(
        False, description="keep equal samples without a scaffold in one set too"
    )


@register_split(
    "scaffold",
    title="Scaffold",
    reference="Bemis and Murcko, J. Med. Chem. 1996, doi:10.1021/jm9602928",
    needs=("scaffolds",),
)
class ScaffoldSplit(Splitter):
    """70 / 10 / 20 of the whole set by scaffold, no set off by more than the largest group.

    Groups larger than half of the validation set are placed first, into train while they fit, so
    that no single scaffold rules validation or test. The rest follow in seeded order. Each sample
    with an empty scaffold is a group of its own, or with its equals if `group_duplicates` is on.
    """

    options_type = ScaffoldOptions
    options: ScaffoldOptions

    def make(
        self,
        labels: np.ndarray,
        num_classes: int,
        rng: np.random.Generator,
        *,
        groups: np.ndarray | None,
        scaffolds: np.ndarray | None,
    ) -> Split:
        assert scaffolds is not None  # registered to need them
        empty = scaffolds < 0
        own = scaffolds.copy()
        alone = duplicate_groups(groups, self.options.group_duplicates, len(labels))
        own[empty] = scaffolds.max() + 1 + np.unique(alone[empty], return_inverse=True)[1]
        return Split(*positions(assign_whole(own, rng, "scaffolds")))
