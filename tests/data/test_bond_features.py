from __future__ import annotations

import csv
import gzip
from functools import cache

import numpy as np
import pytest
from rdkit import Chem

from bench.conformance.toy import toy_data
from bench.data.bond_features import (
    NUM_BOND_FEATURES,
    bond_properties,
    bond_vectors,
    has_plain_bonds,
)
from bench.data.featurise import featurise
from bench.data.molecules import parse
from tests.real_data import real_file

SAMPLES = 1000

ODD = (
    "C/C=C/C", "C/C=C\\C", "CC=CC", "C1CCCCCCC/C=C/1", "C/C=C/C=C\\C", "F/C(Cl)=C(/F)Cl",
    "c1ccccc1/N=N/c1ccccc1", "C#N", "C#CC=C", "c1ccc2ccccc2c1", "O=C1C=CC(=O)C=C1", "C1CC1C=O",
    "[Na+].[Cl-]", "C", "CCO", "c1ccccc1-c1ccccc1", "NC(=O)c1cccnc1", "C[N+](C)(C)C",
    "N->[Pt](<-N)(Cl)Cl", "[NH3]->[Co]", "C[Hg]C", "C$C", "C~C", "*=*", "CN(C)(C)(C)C",
    "CCC1=[O+][Cu-3]2([O+]=C(CC)C1)[O+]=C(CC)CC(CC)=[O+]2", "C[Al](C)(C)(C)(C)c1ccccc1",
    "[CH3:4][c:1]1[cH:9]cccc1", "[CH2:1]=[CH:2]/[CH:3]=[CH:4]/[CH3:5]", "OS(=O)(=O)O",
    "[Fe]12345C6C1=C2C3=C4C56", "C1=CC=CC=CC=C1", "[O-][n+]1ccccc1", "C=[N+]=[N-]",
)  # fmt: skip

SETS = [
    ("hiv", "smiles"), ("uspto_50k", "reactants_smiles"), ("uspto_50k", "product_smiles"),
    ("chembl_ki", "smiles"), ("davis", "smiles"), ("ecreact", "substrates_smiles"),
    ("uspto_template", "product_smiles"), ("npclassifier", "smiles"),
    ("drugbank_ddi", "drug1_smiles"),
]  # fmt: skip


def asked_one_by_one(mol: Chem.Mol) -> list[list[float]]:
    """The features of each bond by RDKit's own names of what a bond can be."""
    types, stereo = Chem.BondType, Chem.BondStereo
    kinds = (types.SINGLE, types.DOUBLE, types.TRIPLE, types.AROMATIC)
    sides = (
        stereo.STEREONONE, stereo.STEREOANY, stereo.STEREOZ,
        stereo.STEREOE, stereo.STEREOCIS, stereo.STEREOTRANS,
    )  # fmt: skip
    return [
        [
            *(float(bond.GetBondType() == kind) for kind in kinds),
            float(bond.GetIsConjugated()),
            float(bond.IsInRing()),
            *(float(bond.GetStereo() == side) for side in sides),
        ]
        for bond in mol.GetBonds()
    ]


@cache
def sample_of(file: str, column: str) -> tuple[str, ...]:
    with gzip.open(real_file(f"{file}.csv.gz"), "rt", encoding="utf-8", newline="") as stream:
        smiles = sorted({row[column] for row in csv.DictReader(stream)})
    chosen = np.random.default_rng(0).permutation(len(smiles))[:SAMPLES]
    return tuple(smiles[n] for n in chosen)


def features_of(smiles) -> dict[str, dict[tuple[int, int], list[float]]]:
    """Feature vector of each bond of each molecule that can be read, as they are packed."""
    made = featurise(smiles, keys=False)
    graphs, found = made.graphs, {}
    for text, number in zip(smiles, made.graph_index.tolist(), strict=True):
        if number >= 0:
            own = slice(*graphs.bond_offsets[number : number + 2])
            vectors = graphs.bond_features[graphs.bond_types[own]].tolist()
            found[text] = dict(zip(map(tuple, graphs.bonds[own].tolist()), vectors, strict=True))
    return found


def ends(mol: Chem.Mol) -> list[tuple[int, int]]:
    pairs = ((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds())
    return [(min(pair), max(pair)) for pair in pairs]


def test_odd_bonds_are_those_that_rdkit_tells():
    found = features_of(ODD)
    assert len(found) == len(ODD)
    seen = set()
    for text, features in found.items():
        mol = parse(text).mol
        expected = dict(zip(ends(mol), asked_one_by_one(mol), strict=True))
        assert features == expected, text
        assert list(features) == sorted(features), text
        seen.update(map(tuple, expected.values()))
    # Every kind but aromatic stereo and those that no SMILES writes: any, cis and trans.
    assert all(any(row[place] for row in seen) for place in (0, 1, 2, 3, 4, 5, 6, 8, 9))
    # A dative bond is of none of the four types.
    assert any(not any(row[:4]) for row in seen)


def test_worked_vectors():
    found = features_of(["C/C=C/C", "N->[Pt](<-N)(Cl)Cl", "c1ccccc1"])
    assert found["C/C=C/C"][0, 1] == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert found["C/C=C/C"][1, 2] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    assert found["N->[Pt](<-N)(Cl)Cl"][0, 1] == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert found["N->[Pt](<-N)(Cl)Cl"][1, 3] == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert found["c1ccccc1"][0, 5] == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0]


def test_the_length_is_dgllifes_and_other_stereo_sets_no_slot():
    assert NUM_BOND_FEATURES == 12
    assert bond_vectors([]).shape == (0, 12)
    assert bond_vectors([]).dtype == np.float32
    # RDKit's STEREOATROPCW.
    assert bond_vectors([(1.0, 0, 0, 6)]).tolist() == [[1] + [0] * 11]


def test_rows_are_distinct_sorted_and_all_occur():
    graphs = featurise(ODD).graphs
    assert graphs.bond_features.dtype == np.float32
    assert graphs.bond_types.dtype == np.uint8
    np.testing.assert_array_equal(graphs.bond_features, np.unique(graphs.bond_features, axis=0))
    assert set(graphs.bond_types) == set(range(len(graphs.bond_features)))
    assert len(graphs.bond_types) == len(graphs.bonds) == graphs.bond_offsets[-1]


def test_made_up_molecules_have_the_bonds_that_their_smiles_say():
    made_up = toy_data((20,) * 12, most_atoms=7)
    read, graphs = featurise(made_up.smiles).graphs, made_up.graphs
    for name in ("atom_offsets", "bonds", "bond_offsets", "bond_features", "bond_types"):
        np.testing.assert_array_equal(getattr(read, name), getattr(graphs, name), err_msg=name)
        assert getattr(read, name).dtype == getattr(graphs, name).dtype


@pytest.mark.parametrize("smiles", [[], ["C", "[Na+].[Cl-]"], ["C1CC"]])
def test_molecules_without_bonds_have_no_bond_features(smiles):
    graphs = featurise(smiles).graphs
    assert graphs.bond_features.shape == (0, 12)
    assert graphs.bond_types.shape == (0,)
    assert graphs.bond_types.dtype == np.uint8


@pytest.mark.parametrize(
    ("smiles", "plain"),
    [("CC=O", True), ("N->[Pt]", False), ("C->C", False), ("C[Na]", False), ("BrCCl", True)],
)
def test_bonds_are_plain_without_metals_and_arrows(smiles, plain):
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    assert has_plain_bonds(smiles, [atom.GetAtomicNum() for atom in mol.GetAtoms()]) is plain


def test_dative_bonds_are_told_from_single_ones():
    bonds = [*Chem.MolFromSmiles("N->[Pt](<-N)(Cl)Cl").GetBonds()]
    assert [order for order, *_ in bond_properties(bonds, plain=False)] == [0, 0, 1, 1]
    # Why the way that asks less is for molecules that cannot have any.
    assert [order for order, *_ in bond_properties(bonds, plain=True)] == [1, 1, 1, 1]


@pytest.mark.parametrize(("file", "column"), SETS)
def test_in_plain_molecules_the_short_way_finds_the_same(file, column):
    plain = 0
    for text in sample_of(file, column):
        mol = parse(text).mol
        if mol and has_plain_bonds(text, [atom.GetAtomicNum() for atom in mol.GetAtoms()]):
            bonds = [*mol.GetBonds()]
            short = [*bond_properties(bonds, plain=True)]
            assert short == [*bond_properties(bonds, plain=False)], text
            plain += 1
    assert plain > 50


@pytest.mark.slow
@pytest.mark.parametrize(("file", "column"), SETS)
def test_a_sample_of_real_molecules_equals_dgllife(file, column, monkeypatch, capfd):
    monkeypatch.setenv("DGLBACKEND", "pytorch")
    pytest.importorskip("dgllife", reason="dgllife is the oracle of the bond features")
    from dgllife.utils import CanonicalBondFeaturizer

    featurizer = CanonicalBondFeaturizer()
    for text, features in features_of(sample_of(file, column)).items():
        mol = parse(text).mol
        if mol.GetNumBonds():
            # Two directions of each bond, one after the other.
            theirs = featurizer(mol)["e"].numpy()[::2].tolist()
            assert features == dict(zip(ends(mol), theirs, strict=True)), text
