from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from bench.data import featurise as featurise_module
from bench.data.atom_features import atom_properties, feature_vectors
from bench.data.featurise import Featurised, featurise, scaffold_keys

GOOD = ("CCO", "c1ccccc1", "C", "[Na+].[Cl-]", "CC(=O)Oc1ccccc1C(=O)O", "*", "[13CH4]", "OCC")
BAD = ("", "C1CC", None, "c1cccc1", "A>>B", "C\0", "CCO name")
VALENCE = "CN(C)(C)(C)C"
CORPUS = [*GOOD, *BAD, VALENCE, *reversed(GOOD), *BAD]


def assert_same(one: Featurised, other: Featurised) -> None:
    for name, array in one.graphs.arrays().items():
        twin = other.graphs.arrays()[name]
        assert array.dtype == twin.dtype
        np.testing.assert_array_equal(array, twin, err_msg=name)
    np.testing.assert_array_equal(one.keys, other.keys)
    np.testing.assert_array_equal(one.graph_index, other.graph_index)
    assert one.failures == other.failures
    assert one.repaired == other.repaired


@pytest.mark.fault(22)
def test_every_row_is_featurised_or_listed():
    """A row is gone without trace."""
    made = featurise(CORPUS)
    assert len(made.graphs) + len(made.failures) == len(CORPUS)
    assert len(made.keys) == len(made.graphs)
    assert {n for n, text in enumerate(CORPUS) if text in BAD} == set(made.failures)
    assert set(made.repaired) == {CORPUS.index(VALENCE)}
    assert set(np.flatnonzero(made.graph_index < 0)) == set(made.failures)
    used = made.graph_index[made.graph_index >= 0]
    np.testing.assert_array_equal(used, np.arange(len(made.graphs)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([*GOOD, *BAD, VALENCE]), max_size=20))
def test_graphs_equal_those_made_one_atom_at_a_time(smiles):
    made = featurise(smiles)
    graphs = made.graphs
    assert graphs.feature_count == 74
    assert graphs.bond_offsets[-1] == len(graphs.bonds) == len(graphs.bond_types)
    assert graphs.bonds.dtype == np.int32
    for number, text in enumerate(smiles):
        g = made.graph_index[number]
        if g < 0 or text == VALENCE:
            continue
        mol = Chem.MolFromSmiles(text)
        atoms = slice(graphs.atom_offsets[g], graphs.atom_offsets[g + 1])
        np.testing.assert_array_equal(
            graphs.atom_features[graphs.atom_types[atoms]],
            feature_vectors([atom_properties(atom) for atom in mol.GetAtoms()]),
        )
        pairs = graphs.bonds[graphs.bond_offsets[g] : graphs.bond_offsets[g + 1]]
        ends = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
        assert pairs.tolist() == sorted([min(e), max(e)] for e in ends)


def test_atom_types_are_distinct_vectors_that_all_occur():
    graphs = featurise(["[Xe]", "[Kr]", "[Ar]", "CCO"]).graphs
    # Elements outside the list have one vector: there is no slot to tell them apart.
    assert len(np.unique(graphs.atom_features, axis=0)) == len(graphs.atom_features) == 4
    assert set(graphs.atom_types) == set(range(4))


def test_chunks_do_not_change_the_result(monkeypatch):
    whole = featurise(CORPUS)
    for size in (1, 3, 7):
        monkeypatch.setattr(featurise_module, "CHUNK", size)
        assert_same(featurise(CORPUS), whole)


def test_two_processes_make_the_same_bits_and_count_progress():
    smiles = [*CORPUS * 30, "C" * 40, "[Fe+2]"]
    assert len(smiles) > featurise_module.CHUNK
    seen: list[tuple[int, int]] = []
    told = featurise(smiles, jobs=2, on_progress=lambda *progress: seen.append(progress))
    assert_same(told, featurise(smiles))
    assert seen == sorted(seen)
    assert seen[-1] == (len(smiles), len(smiles))
    usable = [text for text in smiles if text not in BAD]
    assert scaffold_keys(usable * 2, jobs=2) == scaffold_keys(usable * 2)


def test_equal_molecules_have_equal_keys():
    keys = featurise(["CCO", "OCC", "[OH:3][CH2:1]C", "CCN"]).keys
    assert keys.dtype == np.uint64
    assert len({tuple(key) for key in keys[:3]}) == 1
    assert tuple(keys[3]) != tuple(keys[0])


def test_nothing_in_nothing_out():
    made = featurise([])
    assert len(made.graphs) == 0
    assert made.keys.shape == (0, 2)
    assert len(featurise(["C1CC"]).graphs) == 0


@pytest.mark.fault(23)
def test_one_atom_molecules_have_no_bonds():
    """A molecule without bonds stops the featuriser."""
    graphs = featurise(["C", "[Na+]"]).graphs
    assert graphs.atoms_per_graph().tolist() == [1, 1]
    assert graphs.bonds.shape == (0, 2)


def test_less_than_one_job_is_refused():
    with pytest.raises(ValueError, match="at least 1 job, but got 0"):
        featurise(["C"], jobs=0)


def test_the_scaffold_of_an_unusable_smiles_is_refused():
    with pytest.raises(ValueError, match="unclosed ring"):
        scaffold_keys(["c1ccccc1", "C1CC"])
