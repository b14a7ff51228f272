"""Butina split: clusters of similar molecules stay in one set."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from bench.data.clusters import CUTOFF
from bench.data.splits._assign import assign_whole, positions
from bench.options import Options
from bench.split import Samples, Split, Splitter, register_split


class ButinaOptions(Options):
    """Options of the Butina split."""

    cutoff: float = Field(
        CUTOFF,
        ge=0,
        lt=1,
        description="largest Tanimoto distance of a molecule to the centre of its cluster",
    )


@register_split(
    "butina",
    title="Butina",
    reference="Butina, J. Chem. Inf. Comput. Sci. 1999, 39, 747, doi:10.1021/ci9803381",
    needs=("clusters",),
)
class ButinaSplit(Splitter):
    """70 / 10 / 20 of the whole set by cluster, no set off by more than the largest cluster.

    Molecules are clustered on Morgan fingerprints (radius 2, 2,048 bits), as RDKit does it.
    Clusters are placed as scaffolds are: those larger than half of the validation set first, into
    train while they fit. Members of two clusters can still be similar to each other. Of several
    molecules the last one counts, the product of a reaction.
    """

    options_type = ButinaOptions
    options: ButinaOptions

    def split(self, samples: Samples, rng: np.random.Generator) -> Split:
        assert samples.clusters is not None  # registered to need them
        return Split(*positions(assign_whole(samples.clusters, rng, "clusters")))
