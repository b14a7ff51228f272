from __future__ import annotations

import csv
import gzip
from functools import cache

import numpy as np
import pytest
from rdkit import Chem

from bench.data.atom_features import FEATURE_COUNT, atom_properties, feature_vectors
from tests.real_data import real_file

SAMPLES = 1000

ODD = (
    "C", "[H][H]", "[H+]", "[Na+].[Cl-]", "[13CH4]", "[2H]O[2H]", "*", "*c1ccccc1", "[CH3]",
    "[CH2]", "[O-][N+](=O)c1ccccc1", "C[N+](C)(C)C", "F[P-](F)(F)(F)(F)F", "FS(F)(F)(F)(F)F",
    "[U]", "[Fe+2]", "C[Hg]C", "Cl[Pt](Cl)(N)N", "C#N", "O=C=O", "c1cc[nH]c1", "[BH4-]", "[SiH4]",
    "[Xe]", "B1OB1", "[O]", "[O-2].[Ca+2]", "OS(=O)(=O)O", "[I-](Cl)Cl", "C[Se]C", "[AsH3]",
)  # fmt: skip


@cache
def oracle():
    pytest.importorskip("dgllife", reason="dgllife is the oracle of the atom features")
    from dgllife.utils import CanonicalAtomFeaturizer

    return CanonicalAtomFeaturizer()


@pytest.fixture(autouse=True)
def _dgl_on_torch(monkeypatch):
    monkeypatch.setenv("DGLBACKEND", "pytorch")


def assert_equals_oracle(smiles: list[str]) -> None:
    featurizer = oracle()
    for text in smiles:
        mol = Chem.MolFromSmiles(text)
        ours = feature_vectors([atom_properties(atom) for atom in mol.GetAtoms()])
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, featurizer(mol)["h"].numpy(), err_msg=text)


def test_the_length_is_imdrugs():
    assert FEATURE_COUNT == 74
    assert feature_vectors([]).shape == (0, 74)


def test_odd_atoms_equal_dgllife(capfd):
    assert_equals_oracle(list(ODD))


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("hiv", "smiles"),
        ("uspto_50k", "reactants_smiles"),
        ("uspto_50k", "product_smiles"),
        ("chembl_ki", "smiles"),
        ("davis", "smiles"),
    ],
)
def test_a_sample_of_real_molecules_equals_dgllife(file, column, capfd):
    with gzip.open(real_file(f"{file}.csv.gz"), "rt", encoding="utf-8", newline="") as stream:
        smiles = sorted({row[column] for row in csv.DictReader(stream)})
    chosen = np.random.default_rng(0).permutation(len(smiles))[:SAMPLES]
    assert_equals_oracle([smiles[n] for n in chosen if Chem.MolFromSmiles(smiles[n])])


def test_an_unlisted_element_sets_no_element_slot():
    (xenon,) = feature_vectors([atom_properties(Chem.MolFromSmiles("[Xe]").GetAtomWithIdx(0))])
    assert xenon[:43].sum() == 0


def test_methane_by_hand():
    (carbon,) = feature_vectors([atom_properties(Chem.MolFromSmiles("C").GetAtomWithIdx(0))])
    # C; degree 0; implicit valence 4; SP3; four hydrogens
    assert np.flatnonzero(carbon).tolist() == [0, 43, 54 + 4, 63 + 2, 69 + 4]
