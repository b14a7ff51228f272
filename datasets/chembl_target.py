"""ChEMBL target: on which one of 29 proteins a molecule is active."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from bench.dataset import Dataset, Entity, RawSamples, register_dataset
from bench.errors import DataError

from ._moleculeace import LICENCE, REFERENCE, WHEEL, ActivitySet, read_activity_sets

_ACTIVE = 7.0
_MOLECULES, _TARGETS, _LARGEST, _SMALLEST = 19_072, 29, 2_003, 74


@register_dataset("chembl_target", title="ChEMBL target", reference=REFERENCE, licence=LICENCE)
class ChemblTarget(Dataset):
    """One molecule; classes are ChEMBL ids of targets, the largest first.

    Of the molecules with pKi or pEC50 of 7 or more, those active on exactly one target. SMILES
    are compared as text, which MoleculeACE has made canonical; Ki and EC50 sets of one target
    are one. Rows are in order of first appearance over the sorted files.
    """

    sources = (WHEEL,)

    def read(self, path: Path) -> RawSamples:
        targets = single_targets(read_activity_sets(path))
        sizes = Counter(targets.values())
        classes = sorted(sizes, key=lambda target: (-sizes[target], target))
        got = (len(targets), len(classes), max(sizes.values()), min(sizes.values()))
        expected = (_MOLECULES, _TARGETS, _LARGEST, _SMALLEST)
        if got != expected:
            raise DataError(
                f"Expected {expected} molecules, targets, largest and smallest class in {path}, "
                f"but got {got}. It must be the wheel of {WHEEL.wheel}."
            )
        number = {target: k for k, target in enumerate(classes)}
        return RawSamples(
            entities=(Entity("molecule", "molecule", list(targets)),),
            labels=np.array([number[target] for target in targets.values()], dtype=np.int64),
            class_names=tuple(classes),
            notes=(f"Read from {path.name}: molecules active (p >= 7) on exactly one target.",),
        )


def single_targets(sets: list[ActivitySet]) -> dict[str, str]:
    """SMILES of molecules active on exactly one target, and that target."""
    active: dict[str, set[str]] = {}
    for one in sets:
        for smiles, activity in zip(one.smiles, one.activity, strict=True):
            if activity >= _ACTIVE:
                active.setdefault(smiles, set()).add(one.target)
    return {smiles: min(targets) for smiles, targets in active.items() if len(targets) == 1}
