"""ECREACT: which class of enzymes catalyses a reaction (EC number to the third level)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset

from ._files import read_file
from ._many_classes import Chosen, Counts, ManyClassOptions, read_classes
from ._table import Table

_COUNTS = Counts(rows=23_583, classes=151, largest=2_205, smallest=10)


class EcreactOptions(ManyClassOptions):
    """What the model sees of a reaction, and which sources count."""

    inputs: Literal["pair", "joined"] = Field(
        "pair",
        description="substrates and products as two molecules, which keeps the direction, or both "
        "joined into one disconnected graph, which does not",
    )
    sources: Literal["all", "open"] = Field(
        "all",
        description="all reactions, or those that BRENDA or Rhea has, too: MetaNetX may carry "
        "terms of KEGG, MetaCyc or HMDB",
    )


@register_dataset(
    "ecreact",
    title="ECREACT",
    reference="Probst et al., Nat. Commun. 2022, doi:10.1038/s41467-022-28536-w; table of Theia, "
    "Probst, J. Cheminform. 2023, doi:10.1186/s13321-023-00784-y",
    licence="table MIT; reactions CC BY 4.0 (BRENDA, Rhea, MetaNetX; some of MetaNetX may be "
    "under terms of its sources, see the option sources)",
)
class Ecreact(Dataset):
    """Substrates and products of an enzyme reaction, cofactors included; 151 sub-subclasses.

    Reactions that are equal without stereo, or when read backwards, stand in the file once, and
    none has two classes.
    """

    options_type = EcreactOptions
    options: EcreactOptions
    sources = (
        Source(
            "ecreact.csv.gz",
            sha256="7981972e7e7e8902299bfe693988a5e3f71d28d7026dd883814f8533f58b3d22",
        ),
    )

    def read(self, path: Path) -> RawSamples:
        table = read_file(path)
        least = self.options.min_class_size
        kept = read_classes(table, "ec_class", _COUNTS, least, chosen=self._chosen(table))
        substrates = kept.of(table.column("substrates_smiles"))
        products = kept.of(table.column("products_smiles"))
        entities: tuple[Entity, ...] = (
            Entity("substrates", "molecule", substrates),
            Entity("products", "molecule", products),
        )
        if self.options.inputs == "joined":
            pairs = zip(substrates, products, strict=True)
            entities = (Entity("reaction", "molecule", [".".join(pair) for pair in pairs]),)
        return RawSamples(
            entities=entities,
            labels=kept.labels,
            class_names=kept.names,
            row_names=kept.of(table.column("id")),
            rows=kept.rows,
            notes=(f"Inputs {self.options.inputs!r}.", *kept.notes),
        )

    def _chosen(self, table: Table) -> Chosen | None:
        if self.options.sources == "all":
            return None
        rows = np.flatnonzero(np.array(table.column("source")) != "metanetx")
        return Chosen(rows, "sources is 'open', which does without what MetaNetX alone has")
