"""Stratified random split: all three sets are long-tailed."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from bench.data.splits._assign import assign, duplicate_groups, positions, shuffled_groups
from bench.options import Options
from bench.split import Split, Splitter, register_split


class RandomOptions(Options):
    """Options of the random split."""

    group_duplicates: bool = Field(False, description="keep equal samples in one set")


@register_split(
    "random",
    title="Random",
    reference="ImDrug, 2022, arXiv 2209.07921, create_fold_byclass",
)
class RandomSplit(Splitter):
    """70 / 10 / 20 within each class.

    A class of 1 or 2 samples goes to train; one of 3 or more has a sample in every set, unless
    `group_duplicates` keeps its samples together.
    """

    options_type = RandomOptions
    options: RandomOptions

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
        return Split(*positions(assign(shuffled_groups(groups, rng), labels)))
