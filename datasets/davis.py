"""Davis: which of 68 kinase inhibitors bind which of 442 kinase constructs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset
from bench.options import Options

from ._files import read_file
from ._table import check_class_sizes

_SIZES = {30: {0: 28_550, 1: 1_506}, 10: {0: 29_096, 1: 960}}
_COLUMNS = {30: "label", 10: "label_10nM"}


class DavisOptions(Options):
    """What counts as active."""

    threshold_nm: Literal[30, 10] = Field(
        30,
        description="active means Kd below 30 nM (Pahikkala et al. 2015), or at most 10 nM (no "
        "published benchmark)",
    )


@register_dataset(
    "davis",
    title="Davis",
    reference="Davis et al., Nat. Biotechnol. 2011, doi:10.1038/nbt.1990; threshold of "
    "Pahikkala et al., Brief. Bioinform. 2015",
    licence="not stated by DeepDTA's repository, where the table comes from",
)
class Davis(Dataset):
    """Molecule and protein; class 1 is a tight binder, every pair was measured."""

    options_type = DavisOptions
    options: DavisOptions
    sources = (
        Source(
            "davis.csv.gz",
            sha256="0e7dedf6033594d801505ce67e7ae8f147280082696b381d13ead45692ce91c2",
        ),
    )

    def read(self, path: Path) -> RawSamples:
        threshold = self.options.threshold_nm
        table = read_file(path)
        labels = table.labels(_COLUMNS[threshold])
        check_class_sizes(labels, _SIZES[threshold], table.where)
        names = zip(table.column("drug_id"), table.column("protein_id"), strict=True)
        return RawSamples(
            entities=(
                Entity("molecule", "molecule", table.column("smiles")),
                Entity("protein", "protein", table.column("sequence")),
            ),
            labels=labels,
            class_names=("inactive", "active"),
            row_names=["/".join(pair) for pair in names],
            notes=(
                f"Active is Kd {'< 30' if threshold == 30 else '<= 10'} nM. Only 68 distinct "
                "molecules: a model that sees the molecule alone cannot do well.",
            ),
        )
