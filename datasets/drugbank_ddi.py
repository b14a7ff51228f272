"""DrugBank DDI: in which of 86 ways two drugs interact."""

from __future__ import annotations

from pathlib import Path

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset

from ._files import read_file
from ._many_classes import Counts, ManyClassOptions, read_classes

_COUNTS = Counts(rows=191_570, classes=86, largest=60_730, smallest=1)


@register_dataset(
    "drugbank_ddi",
    title="DrugBank DDI",
    reference="Ryu, Kim, Lee (DeepDDI), PNAS 2018, doi:10.1073/pnas.1803294115; DrugBank 5.0, "
    "Wishart et al., Nucleic Acids Res. 2018, doi:10.1093/nar/gkx1037",
    licence="CC BY-NC 4.0: not for commercial use (DrugBank's academic data; the files it comes "
    "from state none)",
)
class DrugbankDdi(Dataset):
    """An ordered pair of drugs; the class is one of DeepDDI's types of interaction.

    Many types say what the first drug does to the second. 314 pairs have two types, and 92 more
    have two when their order is left aside: pairs are equal samples in either order, so that the
    audit of a split finds them, and `group_duplicates` keeps them together but on `scaffold`.

    The file is the user's: nothing of it comes with this package, nor is it downloaded.
    """

    options_type = ManyClassOptions
    options: ManyClassOptions
    unordered = True
    sources = (
        Source(
            "drugbank_ddi.csv.gz",
            sha256="93d9b00394c6e3c4c8aafce8a451bd8be6430a31fa6ffc986c06da296b58702f",
        ),
    )

    def read(self, path: Path) -> RawSamples:
        table = read_file(path)
        kept = read_classes(table, "interaction", _COUNTS, self.options.min_class_size)
        pairs = zip(table.column("drug1_id"), table.column("drug2_id"), strict=True)
        return RawSamples(
            entities=(
                Entity("drug 1", "molecule", kept.of(table.column("drug1_smiles"))),
                Entity("drug 2", "molecule", kept.of(table.column("drug2_smiles"))),
            ),
            labels=kept.labels,
            class_names=kept.names,
            row_names=kept.of(["/".join(pair) for pair in pairs]),
            rows=kept.rows,
            notes=(
                "Conflicts are pairs with two types of interaction, in one order or in both. A "
                "random split asks about new pairs of drugs that were trained on, not new drugs.",
                *kept.notes,
            ),
        )
