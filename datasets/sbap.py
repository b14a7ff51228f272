"""SBAP: whether a molecule binds a protein (DrugOOD's structure-based affinity prediction)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset
from bench.errors import DataError

from ._files import read_file
from ._table import class_sizes, describe_sizes


@register_dataset(
    "sbap",
    title="SBAP",
    reference="Ji et al., DrugOOD, 2022, arXiv:2201.09637, from ChEMBL 29 (CC BY-SA 3.0); "
    "as in ImDrug, arXiv:2209.07921",
    licence="ChEMBL data CC BY-SA 3.0",
)
class Sbap(Dataset):
    """Molecule and protein; class 1 is an affinity at or above DrugOOD's threshold.

    Class sizes follow from Table 1 of arXiv:2504.04647 (32,140 rows, ratio 36.77); it does not
    say which class is the small one, so both are accepted.
    """

    sources = (Source("sbap.tab", url="https://dataverse.harvard.edu/api/access/datafile/6573959"),)
    expected_sizes: ClassVar[tuple[int, int]] = (851, 31_289)

    def read(self, path: Path) -> RawSamples:
        table = read_file(path)
        labels = table.labels("Y")
        got = class_sizes(labels)
        if set(got) != {0, 1} or sorted(got.values()) != sorted(self.expected_sizes):
            expected = dict(enumerate(self.expected_sizes))
            raise DataError(
                f"Expected {describe_sizes(expected)}, or the labels the other way round, in "
                f"{table.where}, but got {describe_sizes(got)}. The file is incomplete, changed or "
                "another data set: fetch it again."
            )
        names = zip(table.column("ID1"), table.column("ID2"), strict=True)
        return RawSamples(
            entities=(
                Entity("molecule", "molecule", table.column("X1")),
                Entity("protein", "protein", table.column("X2")),
            ),
            labels=labels,
            class_names=("inactive", "active"),
            row_names=["/".join(pair) for pair in names],
            notes=(f"Read from {path.name}.",),
        )
