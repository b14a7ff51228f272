import numpy as np
from rdkit import Chem

from bench.conformance.toy import toy_data, toy_split


def test_every_smiles_is_the_molecule_of_its_graph():
    data = toy_data([8] * 12)
    elements = {}
    for place, text in enumerate(data.smiles):
        molecule = Chem.MolFromSmiles(text)
        assert molecule is not None, text
        assert molecule.GetNumAtoms() == data.graphs.atoms_per_graph()[place]
        assert molecule.GetNumBonds() == data.graphs.bonds_per_graph()[place]
        kinds = {(atom.GetSymbol(), atom.GetIsotope()) for atom in molecule.GetAtoms()}
        elements.setdefault(int(data.labels[place]), set()).update(kinds)
    assert all(len(kinds) == 1 for kinds in elements.values())
    assert len(set.union(*elements.values())) == 12


def test_classes_have_the_training_samples_asked_for_and_others_three_fifths():
    data = toy_data([20, 15, 10, 5])
    split = toy_split(data, {1: 0, 2: 1})
    assert data.class_counts(split.train).tolist() == [12, 0, 1, 3]
    assert data.class_counts(split.valid).tolist() == [4, 3, 2, 1]
    assert data.class_counts(split.test).tolist() == [4, 3, 2, 1]


def test_molecules_can_be_single_atoms():
    assert np.all(toy_data([5, 5], most_atoms=1).graphs.atoms_per_graph() == 1)
