"""Five-fold cross-validation, repeated once a seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
from pydantic import Field

from bench.data.splits._assign import cut_valid, duplicate_groups, shuffled_groups
from bench.options import Options
from bench.split import Samples, Split, Splitter, register_split

_FOLDS = 5
# Of what is not tested: 10 % of the whole set.
_VALID_SHARE = 0.125


class Cv5Options(Options):
    """Options of repeated cross-validation."""

    fold: int = Field(
        0, ge=0, lt=_FOLDS, description="the fold that is tested; all, where none is named"
    )
    group_duplicates: bool = Field(False, description="keep equal samples in one set")


@register_split(
    "cv5",
    title="5-fold CV",
    reference="Ash et al., J. Chem. Inf. Model. 2025, doi:10.1021/acs.jcim.5c01609",
)
class Cv5Split(Splitter):
    """Five folds, stratified by class: each sample is tested once a seed.

    `cv5` stands for its five folds, `cv5[fold=0]` for one of them: five runs a seed, which tables
    pool. Of the four folds that are not tested, an eighth of each class validates. A class of one
    sample, or of one group of duplicates, is always trained on.
    """

    options_type = Cv5Options
    options: Cv5Options
    folds = _FOLDS

    def split(self, samples: Samples, rng: np.random.Generator) -> Split:
        fold = self.options.fold
        groups = duplicate_groups(samples.groups, self.options.group_duplicates, len(samples))
        members = shuffled_groups(groups, rng)
        folds = _folds(members, samples.labels)
        test = np.flatnonzero(folds == fold)
        # Another order than that of the folds, which decides where samples go.
        rest = [group for group in shuffled_groups(groups, rng) if folds[group[0]] != fold]
        valid = cut_valid(rest, samples.labels, _VALID_SHARE)
        train = np.setdiff1d(np.concatenate(rest), valid)
        return Split(train, valid, test)


def _folds(members: list[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """The fold of each sample, -1 of those that are always trained on.

    A group goes to the fold with the fewest samples of its classes, of equal ones to the smallest.
    With groups of one sample, folds differ by one sample of a class at most.
    """
    total = np.bincount(labels).tolist()
    of_class = [[0] * _FOLDS for _ in total]
    sizes = [0] * _FOLDS
    folds = np.full(len(labels), -1, np.int64)
    for group in members:
        own = Counter(labels[group].tolist())
        if any(total[label] == count for label, count in own.items()):
            continue
        chosen = min(
            range(_FOLDS), key=lambda fold: (sum(of_class[k][fold] for k in own), sizes[fold])
        )
        for label, count in own.items():
            of_class[label][chosen] += count
        sizes[chosen] += len(group)
        folds[group] = chosen
    return folds
