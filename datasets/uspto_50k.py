"""USPTO-50K: the Schneider superclass of 50,016 patent reactions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset
from bench.errors import DataError
from bench.options import Options

from ._files import read_file
from ._table import Table, check_class_sizes, class_sizes, describe_sizes

_CLASS_NAMES = (
    "heteroatom alkylation and arylation",
    "acylation",
    "C-C bond formation",
    "heterocycle formation",
    "protection",
    "deprotection",
    "reduction",
    "oxidation",
    "functional group interconversion",
    "functional group addition",
)

# Rows per class of the complete set, as retrosim counts them.
_SIZES = (15_151, 11_896, 5_662, 909, 672, 8_237, 4_614, 811, 1_834, 230)
_MISSING_HERE = {0: 1, 2: 1, 6: 2}  # rows the reconstructed file leaves out


class Uspto50kOptions(Options):
    """What the model sees of a reaction."""

    inputs: Literal["pair", "product", "joined"] = Field(
        "pair",
        description="reactants and product as two molecules, the product alone, or both joined "
        "into one disconnected graph",
    )


@register_dataset(
    "uspto_50k",
    title="USPTO-50K",
    reference="Lowe's patent reactions; Schneider, Stiefl, Landrum, J. Chem. Inf. Model. 2016, "
    "doi:10.1021/acs.jcim.6b00564",
    licence="patent reactions CC0; the files that the table comes from MIT",
)
class Uspto50k(Dataset):
    """Reactants and product of a reaction; the class is the kind of reaction."""

    options_type = Uspto50kOptions
    options: Uspto50kOptions
    sources = (
        Source(
            "uspto_50k.csv.gz",
            sha256="bd7d02ee82fe909f678c2fbf2f46bf1994cebe57aec6abec39a5999981b92a9c",
        ),
        Source("uspto_50k.tab", url="https://dataverse.harvard.edu/api/access/datafile/6573953"),
    )

    def read(self, path: Path) -> RawSamples:
        table = read_file(path)
        if "reactants_smiles" in table.columns:
            labels = table.labels("label")
            sizes = {k: size - _MISSING_HERE.get(k, 0) for k, size in enumerate(_SIZES)}
            check_class_sizes(labels, sizes, table.where)
            remarks = [
                "A reconstruction: 4 of the 50,016 training reactions are missing, and about 120 "
                "may have other reactants than the original."
            ]
        else:
            labels = _imdrug_labels(table)
            remarks = []
        return RawSamples(
            entities=self._entities(table),
            labels=labels,
            class_names=_CLASS_NAMES,
            row_names=table.column("id", "ID1", "ID", "Drug_ID"),
            notes=(f"Read from {path.name}, inputs {self.options.inputs!r}.", *remarks),
        )

    def _entities(self, table: Table) -> tuple[Entity, ...]:
        inputs = self.options.inputs
        if not {"reactants_smiles", "X1"} & table.columns.keys():
            joined = table.column("X", "Drug")
            if inputs != "joined":
                raise DataError(
                    f"Expected reactants and product in columns of their own, which inputs "
                    f"{inputs!r} needs, but {table.where} holds one molecule a row. Set the "
                    "option inputs to 'joined', or use the file with the columns X1 and X2."
                )
            return (Entity("reaction", "molecule", joined),)
        reactants = table.column("reactants_smiles", "X1")
        product = table.column("product_smiles", "X2")
        if inputs == "joined":
            pairs = zip(reactants, product, strict=True)
            return (Entity("reaction", "molecule", [".".join(pair) for pair in pairs]),)
        entities = (
            Entity("reactants", "molecule", reactants),
            Entity("product", "molecule", product),
        )
        return entities if inputs == "pair" else entities[1:]


def _imdrug_labels(table: Table) -> np.ndarray:
    """Labels 0..9 of ImDrug's file, which may count its classes from 0 or from 1.

    Its class sizes are not published; Table 1's ratio of 65.78 in place of 65.87 leaves room for
    a few rows, and 1 % of each class is less than any exchange of two classes.
    """
    labels = table.labels("Y")
    labels = labels - labels.min()
    got = class_sizes(labels)
    expected = dict(enumerate(_SIZES))
    same_classes = got.keys() == expected.keys() and len(labels) == sum(_SIZES)
    if not same_classes or any(abs(got[k] - n) > 0.01 * n for k, n in expected.items()):
        raise DataError(
            f"Expected {describe_sizes(expected)}, each class within 1 %, in {table.where}, but "
            f"got {describe_sizes(got)}. The file is incomplete, changed or another data set: "
            "fetch it again."
        )
    return labels
