"""Cold-drug split: no pair that is tested shares a molecule with training."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from bench.data.splits._assign import TEST, TRAIN, VALID, assign_whole
from bench.errors import SplitError
from bench.options import Options
from bench.split import Samples, Split, Splitter, register_split


class ColdDrugOptions(Options):
    """Options of the cold-drug split."""

    molecules: Literal["both", "first", "second"] = Field(
        "both", description="which molecules of a sample count: all of them, or one input alone"
    )


@register_split(
    "cold_drug",
    title="Cold drug",
    reference="Pahikkala et al., Brief. Bioinform. 2015, 16, 325, doi:10.1093/bib/bbu010",
    needs=("molecules",),
)
class ColdDrugSplit(Splitter):
    """70 / 10 / 20 by molecule: a sample goes where its molecules are, or nowhere.

    Molecules are shared out whole, so that each set has its share of the places in samples.
    Samples whose molecules are in several sets are discarded: of pairs that is almost half, of
    samples with one molecule that counts none. A molecule in more than half as many places as
    validation has goes to training. So do the molecules of one sample of each class that would
    have none in training, the rarest class first.
    """

    options_type = ColdDrugOptions
    options: ColdDrugOptions

    def split(self, samples: Samples, rng: np.random.Generator) -> Split:
        columns = self._counted(samples)
        number = np.unique(np.concatenate(columns), return_inverse=True)[1]
        places = assign_whole(number, rng, "molecules")
        of_molecule = np.empty(number.max() + 1, np.int64)
        of_molecule[number] = places
        molecules = number.reshape(len(columns), -1)
        _keep_every_class(of_molecule, molecules, samples)
        parts = of_molecule[molecules]
        whole = (parts == parts[0]).all(axis=0)
        train, valid, test = (
            np.flatnonzero(whole & (parts[0] == part)) for part in (TRAIN, VALID, TEST)
        )
        discarded = np.flatnonzero(~whole)
        notes: tuple[str, ...] = ()
        if len(discarded):
            notes = (
                f"{len(discarded):,} of {len(samples):,} samples "
                f"({len(discarded) / len(samples):.1%}) have molecules of several sets and are "
                "left out.",
            )
        return Split(train, valid, test, discarded, notes)

    def _counted(self, samples: Samples) -> list[np.ndarray]:
        assert samples.molecules is not None  # registered to need them
        chosen = self.options.molecules
        if chosen == "both":
            return list(samples.molecules)
        place = ("first", "second").index(chosen)
        if place >= len(samples.molecules):
            raise SplitError(
                f"Expected a {chosen} molecule in every sample, but samples have "
                f"{len(samples.molecules)}. Use cold_drug without molecules={chosen}."
            )
        return [samples.molecules[place]]


def _keep_every_class(of_molecule: np.ndarray, molecules: np.ndarray, samples: Samples) -> None:
    """Move to training the molecules of one sample of each class that has none there.

    It is the sample for which the fewest places of molecules are moved, the first of such.

    Parameters
    ----------
    of_molecule : ndarray of int64
        Part of each molecule; changed in place.
    molecules : ndarray of int64, shape (E, M)
        The E molecules of each sample.
    samples : Samples
    """
    times = np.bincount(molecules.reshape(-1))
    sizes = np.bincount(samples.labels, minlength=samples.num_classes)
    for label in np.argsort(sizes, kind="stable"):
        own = molecules[:, samples.labels == label]
        outside = of_molecule[own] != TRAIN
        if outside.any(axis=0).all():
            moved = (times[own] * outside).sum(axis=0).argmin()
            of_molecule[own[:, moved]] = TRAIN
