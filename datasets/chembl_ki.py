"""ChEMBL Ki: whether a molecule binds one of 23 human proteins with a pKi of 5 or more."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset

from ._files import read_file
from ._moleculeace import LICENCE, REFERENCE, WHEEL, read_activity_sets
from ._table import check_class_sizes

_SIZES = {0: 1_239, 1: 38_981}
_ACTIVE_PKI = 5.0


@register_dataset(
    "chembl_ki",
    title="ChEMBL Ki",
    reference=f"{REFERENCE}; threshold of DrugOOD, arXiv:2201.09637",
    licence=f"{LICENCE}; the protein sequences state none",
)
class ChemblKi(Dataset):
    """Molecule and protein; class 1 is a pKi of 5 or more, and class 0 is the rare one.

    The table holds protein sequences. The wheel holds the same pairs and labels in the same
    order, but names the protein by its ChEMBL id only, so that it becomes a category.
    """

    sources = (
        Source(
            "chembl_ki.csv.gz",
            sha256="fd9b851732dc054eb7ca691e141cc708eb300d50d24f10acf70a1d4dc1f6ecad",
        ),
        WHEEL,
    )

    def read(self, path: Path) -> RawSamples:
        samples = _read_wheel(path) if path.suffix == ".whl" else _read_csv(path)
        check_class_sizes(samples.labels, _SIZES, str(path))
        return samples


def _read_csv(path: Path) -> RawSamples:
    table = read_file(path)
    names = zip(table.column("drug_id"), table.column("protein_id"), strict=True)
    return RawSamples(
        entities=(
            Entity("molecule", "molecule", table.column("smiles")),
            Entity("protein", "protein", table.column("sequence")),
        ),
        labels=table.labels("label"),
        class_names=("inactive", "active"),
        row_names=["/".join(pair) for pair in names],
        notes=(f"Read from {path.name}; the protein is a sequence.",),
    )


def _read_wheel(path: Path) -> RawSamples:
    sets = [one for one in read_activity_sets(path) if one.measure == "Ki"]
    smiles = [text for one in sets for text in one.smiles]
    targets = [one.target for one in sets for _ in one.smiles]
    # 133 pairs lie at 5 exactly, the next 1e-4 away or more: rounding moves no label.
    active = np.concatenate([one.activity >= _ACTIVE_PKI for one in sets])
    return RawSamples(
        entities=(
            Entity("molecule", "molecule", smiles),
            Entity("protein", "category", targets),
        ),
        labels=active.astype(np.int64),
        class_names=("inactive", "active"),
        notes=(f"Read from {path.name}; the protein is a category, its ChEMBL id.",),
    )
