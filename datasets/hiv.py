"""HIV: which of 41,127 compounds inhibit HIV replication (DTP AIDS Antiviral Screen)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset
from bench.errors import DataError

from ._files import read_file
from ._table import check_class_sizes

_SIZES = {0: 39_684, 1: 1_443}

# Over the lines `smiles<TAB>label<LF>` in file order.
_CONTENT_SHA256 = "28aa9b1aa6c39a8defa39a7db51344f32dea5fb75a22180eb7275e67268518bb"


@register_dataset(
    "hiv",
    title="HIV",
    reference="DTP AIDS Antiviral Screen (NCI/NIH, public domain) as in MoleculeNet, "
    "Wu et al., Chem. Sci. 2018, doi:10.1039/C7SC02664A",
    licence="public domain (NCI/NIH)",
)
class Hiv(Dataset):
    """One molecule; class 1 is confirmed active or confirmed moderately active."""

    sources = (
        Source(
            "hiv.csv.gz",
            sha256="d888b1c599442f9f7c59aa4728dd10c0d6c8aecda5a0dd9b95b9d4b069ebb1fa",
        ),
        Source(
            "HIV.csv",
            url="https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/HIV.csv",
        ),
        Source("hiv.tab", url="https://dataverse.harvard.edu/api/access/datafile/6573954"),
    )

    def read(self, path: Path) -> RawSamples:
        table = read_file(path)
        smiles = table.column("smiles", "X", "Drug")
        labels = table.labels("label", "HIV_active", "Y")
        check_class_sizes(labels, _SIZES, table.where)
        lines = "".join(f"{text}\t{label}\n" for text, label in zip(smiles, labels, strict=True))
        same = hashlib.sha256(lines.encode()).hexdigest() == _CONTENT_SHA256
        # ImDrug publishes neither the order of its rows nor a checksum of them.
        if not same and "Y" not in table.columns:
            raise DataError(
                f"Expected MoleculeNet's molecules and labels in {path}, row for row, but they "
                "differ although the class sizes agree. Fetch the file again."
            )
        note = "as MoleculeNet's" if same else "other than MoleculeNet's, in text or in order"
        return RawSamples(
            entities=(Entity("molecule", "molecule", smiles),),
            labels=labels,
            class_names=("inactive", "active"),
            notes=(f"Read from {path.name}; SMILES {note}.",),
        )
