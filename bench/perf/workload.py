"""A data set as the measures use it: opened, split, and with samples to draw batches from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.data.obtain import Located, obtain
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.dataset import DATASETS, Dataset
from bench.errors import UsageError
from bench.split import Split, make_split

_SEED = 0


@dataclass(frozen=True)
class Workload:
    """One data set with its random split of seed 0.

    Attributes
    ----------
    dataset : Dataset
    located : Located
        Its file.
    prepared : PreparedData
        Its features, out of the cache.
    """

    name: str
    dataset: Dataset
    located: Located
    prepared: PreparedData

    @classmethod
    def open(cls, name: str, data_dir: Path | None) -> Workload:
        """Find and prepare the data set called `name`.

        Raises
        ------
        UsageError
            Its samples hold something else than molecules.
        DataError
            Its file is not there or is damaged.
        """
        entry = DATASETS.get(name).cls
        dataset = entry(entry.options_type())
        located = obtain(dataset, data_dir=data_dir)
        prepared = prepare(name, dataset, located.path, located.sha256)
        others = {entity.kind for entity in prepared.entities} - {"molecule"}
        if others:
            raise UsageError(
                f"Expected data sets of molecules alone in --datasets, but {name} also holds "
                f"{', '.join(sorted(others))}. Choose hiv or uspto_50k."
            )
        return cls(name, dataset, located, prepared)

    @cached_property
    def split(self) -> Split:
        """The random split, the same every time."""
        data = self.prepared
        return make_split("random", data.labels, data.num_classes, _SEED, self.name)

    def training_samples(self, count: int) -> np.ndarray:
        """Positions of at most `count` random training samples."""
        return np.random.default_rng(_SEED).permutation(self.split.train)[:count]

    def smiles(self, count: int) -> list[str]:
        """At most `count` random distinct molecules that every toolkit reads."""
        data = self.prepared
        repaired = np.isin(data.rows, [row.row for row in data.repaired])
        numbers = np.setdiff1d(
            np.arange(len(data.graphs)), [entity.index[repaired] for entity in data.entities]
        )
        chosen = np.random.default_rng(_SEED).permutation(numbers)[:count]
        return [data.smiles[number] for number in chosen.tolist()]
