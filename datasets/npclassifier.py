"""NPClassifier: to which of 70 superclasses or 652 classes a natural product belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from bench.dataset import Dataset, Entity, RawSamples, Source, register_dataset

from ._files import read_file
from ._many_classes import Counts, ManyClassOptions, read_classes

_COUNTS = {
    "superclass": Counts(rows=78_336, classes=70, largest=8_979, smallest=8),
    "class": Counts(rows=78_336, classes=652, largest=6_889, smallest=2),
}
_LABELS = {"superclass": "label", "class": "class_label"}


class NpclassifierOptions(ManyClassOptions):
    """How fine the classes are."""

    level: Literal["superclass", "class"] = Field(
        "superclass", description="70 superclasses, or the 652 classes within them"
    )


@register_dataset(
    "npclassifier",
    title="NPClassifier",
    reference="Kim et al., J. Nat. Prod. 2021, doi:10.1021/acs.jnatprod.1c00399",
    licence="MIT",
)
class Npclassifier(Dataset):
    """One natural product; classes are by structure and biosynthesis.

    507 molecules differ from another one only in stereo, and 182 structures without stereo have
    two superclasses (440 have two classes).
    """

    options_type = NpclassifierOptions
    options: NpclassifierOptions
    sources = (
        Source(
            "npclassifier.csv.gz",
            sha256="9daad53957e065e37836fbdf004229539257e0c64fa060a05ef787b2e6849619",
        ),
    )

    def read(self, path: Path) -> RawSamples:
        level = self.options.level
        table = read_file(path)
        least = self.options.min_class_size
        kept = read_classes(table, level, _COUNTS[level], least, label=_LABELS[level])
        return RawSamples(
            entities=(Entity("molecule", "molecule", kept.of(table.column("smiles"))),),
            labels=kept.labels,
            class_names=kept.names,
            rows=kept.rows,
            notes=(f"Labels of the level {level!r}.", *kept.notes),
        )
