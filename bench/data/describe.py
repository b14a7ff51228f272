"""Facts about a prepared data set for the data report and Table 1."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bench.data.conflicts import conflict_groups
from bench.data.prepared import PreparedData, Unusable

# Counter-ions that are listed.
_COMMONEST = 5


@dataclass(frozen=True)
class GraphSizes:
    """Atoms and bonds of one molecule input, over all samples."""

    entity: str
    atoms_mean: float
    atoms_min: int
    atoms_max: int
    bonds_mean: float


@dataclass(frozen=True)
class Salts:
    """Samples whose molecule has more than one fragment.

    Attributes
    ----------
    samples : int
    counter_ions : tuple of (str, int)
        SMILES of fragments beside the largest, and samples that have one, the commonest first.
    """

    samples: int
    counter_ions: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class DataDescription:
    """What a data report tells.

    Attributes
    ----------
    rows, samples : int
        Rows of the file, and how many of them can be used.
    class_counts : tuple of (str, int)
        Usable samples by class.
    imbalance_ratio : float
        Largest class over smallest, both counted in usable samples; inf with an empty class.
    distinct_samples : int
        Different molecules, reactions or pairs after canonicalisation without atom maps.
    duplicate_samples : int
        Samples that repeat an earlier one.
    conflicts : tuple of tuple of int
        Rows of the file, grouped, that are the same sample under different labels.
    distinct_molecules : int
        Different SMILES texts over all molecule inputs.
    graphs : tuple of GraphSizes
        One a molecule input.
    salts : Salts or None
        None where samples have no molecule, or several.
    unusable, repaired : tuple of Unusable
    notes : tuple of str
    """

    name: str
    rows: int
    samples: int
    class_counts: tuple[tuple[str, int], ...]
    imbalance_ratio: float
    distinct_samples: int
    duplicate_samples: int
    conflicts: tuple[tuple[int, ...], ...]
    distinct_molecules: int
    graphs: tuple[GraphSizes, ...]
    salts: Salts | None
    unusable: tuple[Unusable, ...]
    repaired: tuple[Unusable, ...]
    notes: tuple[str, ...]

    def reasons(self) -> Counter[str]:
        """How many rows are unusable for each reason."""
        return Counter(row.reason for row in self.unusable)


def describe_data(prepared: PreparedData) -> DataDescription:
    """Collect the facts of `prepared`."""
    counts = prepared.class_counts()
    distinct = len(np.unique(prepared.identity))
    return DataDescription(
        name=prepared.name,
        rows=prepared.total_rows,
        samples=len(prepared),
        class_counts=tuple(zip(prepared.class_names, counts.tolist(), strict=True)),
        imbalance_ratio=float(counts.max() / counts.min()) if counts.min() else float("inf"),
        distinct_samples=distinct,
        duplicate_samples=len(prepared) - distinct,
        conflicts=_conflicts(prepared),
        distinct_molecules=len(prepared.graphs),
        graphs=_graph_sizes(prepared),
        salts=_salts(prepared),
        unusable=prepared.unusable,
        repaired=prepared.repaired,
        notes=prepared.notes,
    )


def _conflicts(prepared: PreparedData) -> tuple[tuple[int, ...], ...]:
    """Rows of samples that are equal but labelled differently, grouped, by first row."""
    groups = conflict_groups(prepared.identity, prepared.labels)
    return tuple(sorted(tuple(prepared.rows[group].tolist()) for group in groups))


def _graph_sizes(prepared: PreparedData) -> tuple[GraphSizes, ...]:
    atoms, bonds = prepared.graphs.atoms_per_graph(), prepared.graphs.bonds_per_graph()
    return tuple(
        GraphSizes(
            entity=entity.name,
            atoms_mean=float(atoms[entity.index].mean()),
            atoms_min=int(atoms[entity.index].min()),
            atoms_max=int(atoms[entity.index].max()),
            bonds_mean=float(bonds[entity.index].mean()),
        )
        for entity in prepared.entities
        if entity.kind == "molecule"
    )


def _salts(prepared: PreparedData) -> Salts | None:
    from bench.data.molecules import counter_ions

    molecules = [entity for entity in prepared.entities if entity.kind == "molecule"]
    if len(molecules) != 1:
        return None
    times = np.bincount(molecules[0].index, minlength=len(prepared.graphs)).tolist()
    samples = 0
    found: Counter[str] = Counter()
    for smiles, count in zip(prepared.smiles, times, strict=True):
        if ions := counter_ions(smiles):
            samples += count
            found.update(dict.fromkeys(ions, count))
    # Of equally many the first by name, so that the order of the rows has no say.
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return Salts(samples, tuple(ordered[:_COMMONEST]))
