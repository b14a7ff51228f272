"""Small made-up data: paths of atoms whose types give the class away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.data.bond_features import bond_vectors
from bench.data.packed import PackedGraphs
from bench.data.prepared import EntityIndex, PreparedData
from bench.split import Split

FEATURES = 74

# Elements that RDKit accepts in a chain with or without a hydrogen: the first atom type of a
# class has none, the second has one.
_ELEMENTS = ("C", "N", "S", "P", "B", "Si", "Se", "Ge", "As", "Sn")

_PROTEINS = ("MKTAYIAKQRQISFVKSHFSRQ", "GAVLIPFMW", "MSTNPKPQRKTKRNTNRRPQDVKFPGG", "XX")


def toy_data(
    counts: Sequence[int],
    *,
    seed: int = 0,
    molecules: int = 1,
    most_atoms: int = 5,
    noise: float = 0.0,
    proteins: bool = False,
) -> PreparedData:
    """`counts[k]` samples of class k; every atom of a class-k molecule has feature k set.

    With two `molecules` a sample, both carry the class. Sizes are uniform from one atom to
    `most_atoms`. The SMILES say the same as the graphs: a class is an element. A share `noise` of
    the atoms belongs to a class drawn at random, so that classes overlap. With `proteins`, there is
    one beside each molecule; it says nothing of the class.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    types = np.tile(labels, molecules)
    atoms = rng.integers(1, most_atoms + 1, size=len(types))
    of_atoms = np.repeat(types, atoms)
    if noise:
        drawn = rng.integers(0, len(counts), len(of_atoms))
        of_atoms = np.where(rng.random(len(of_atoms)) < noise, drawn, of_atoms)
    bonds = [np.stack([np.arange(n - 1), np.arange(1, n)], axis=1) for n in atoms]
    # Two feature vectors a class, so that molecules of one class are not all alike.
    features = np.zeros((2 * len(counts), FEATURES), np.float32)
    features[np.arange(2 * len(counts)), np.repeat(np.arange(len(counts)), 2)] = 1
    features[1::2, FEATURES - 1] = 1
    graphs = PackedGraphs(
        atom_features=features,
        atom_types=(2 * of_atoms + rng.integers(0, 2, atoms.sum())).astype(np.int32),
        atom_offsets=np.concatenate([[0], np.cumsum(atoms)]),
        bonds=np.concatenate(bonds).astype(np.int32),
        bond_offsets=np.concatenate([[0], np.cumsum(atoms - 1)]),
        # As the SMILES has them: single bonds of chains.
        bond_features=bond_vectors([(1, 0, 0, 0)]),
        bond_types=np.zeros((atoms - 1).sum(), np.uint8),
    ).with_environments()
    size = len(labels)
    entities = [
        EntityIndex(f"m{i}", "molecule", np.arange(i * size, (i + 1) * size, dtype=np.int32))
        for i in range(molecules)
    ]
    if proteins:
        index = np.arange(size, dtype=np.int32) % len(_PROTEINS)
        entities.append(EntityIndex("target", "protein", index))
    return PreparedData(
        name="toy",
        entities=tuple(entities),
        graphs=graphs,
        smiles=_smiles(graphs),
        proteins=_PROTEINS if proteins else (),
        categories=(),
        labels=labels,
        class_names=tuple(f"class {k}" for k in range(len(counts))),
        rows=np.arange(size),
        identity=np.arange(size),
        total_rows=size,
        unusable=(),
        repaired=(),
        notes=(),
        data_sha256="0" * 64,
        content_sha256="0" * 64,
        fingerprint="toy",
    )


def toy_split(data: PreparedData, train_counts: Mapping[int, int] | None = None) -> Split:
    """Every fifth sample of a class is for validation, the next for test, the rest trains.

    Of the classes in `train_counts` only so many samples train; the others are discarded.
    """
    place = np.zeros(len(data), np.int64)
    discarded = np.zeros(len(data), bool)
    for label in range(data.num_classes):
        members = np.flatnonzero(data.labels == label)
        place[members] = np.arange(len(members)) % 5
        training = members[place[members] > 1]
        discarded[training[(train_counts or {}).get(label, len(training)) :]] = True
    return Split(
        train=np.flatnonzero((place > 1) & ~discarded),
        valid=np.flatnonzero(place == 0),
        test=np.flatnonzero(place == 1),
        discarded=np.flatnonzero(discarded),
    )


def _smiles(graphs: PackedGraphs) -> list[str]:
    """One SMILES a path: an element a class, with and without a hydrogen for its two types."""
    atoms = []
    for atom_type in graphs.atom_types:
        label, has_hydrogen = divmod(int(atom_type), 2)
        isotope, element = divmod(label, len(_ELEMENTS))
        atoms.append(f"[{isotope or ''}{_ELEMENTS[element]}{'H' * has_hydrogen}]")
    offsets = graphs.atom_offsets
    return ["".join(atoms[offsets[i] : offsets[i + 1]]) for i in range(len(graphs))]
