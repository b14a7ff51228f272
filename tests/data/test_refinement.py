from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.adjacency import adjacency
from bench.data.environments import find_environments
from bench.data.neighbours import neighbour_lists
from bench.data.refinement import refine
from bench.data.selection import EnvironmentIndex, SelectedLevel, Selection


def by_array_operations(types, bonds, num_types, levels) -> Selection:
    found = find_environments(types, *adjacency(bonds, len(types)), levels)
    return EnvironmentIndex(found, num_types).select(np.arange(len(types)))


def require_identical(found: Selection, expected: Selection) -> None:
    pairs = [(found.types, expected.types), (found.rows, expected.rows)]
    for one, other in zip(found.levels, expected.levels, strict=True):
        names = [field.name for field in fields(SelectedLevel)]
        pairs += [(getattr(one, name), getattr(other, name)) for name in names]
    for array, wanted in pairs:
        assert array.dtype == wanted.dtype == np.int32
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, wanted)


def random_bonds(rng, atoms: int, share: float) -> np.ndarray:
    bonds = np.argwhere(np.triu(rng.random((atoms, atoms)) < share, k=1)).astype(np.int64)
    # Neither the order of the bonds nor that of their ends may matter.
    return rng.permuted(rng.permutation(bonds), axis=1)


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 10**6),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.02, 0.05, 0.2, 0.7]),
    st.integers(1, 40),
    st.integers(1, 4),
)
def test_the_loops_find_what_the_array_operations_find(seed, atoms, share, num_types, levels):
    rng = np.random.default_rng(seed)
    bonds = random_bonds(rng, atoms, share)
    types = rng.integers(0, num_types, atoms)
    found = refine(types, bonds, num_types, levels)
    require_identical(found, by_array_operations(types, bonds, num_types, levels))


def test_the_first_level_rises_by_atom_type_not_by_place():
    # A chain 2 - 0 - 1 of atoms of those types.
    found = refine(np.array([2, 0, 1]), np.array([[0, 1], [1, 2]]), 5)
    assert found.types.tolist() == [2, 0, 1]
    first = found.levels[0]
    assert first.neighbours.tolist() == [1, 0, 1, 2, 0, 1, 2]


def test_what_only_the_centre_tells_apart_is_told_apart():
    # Two bonded atoms see the same two types.
    found = refine(np.array([0, 1]), np.array([[0, 1]]), 2)
    assert found.rows.tolist() == [0, 1]


def test_no_atoms():
    found = refine(np.empty(0, np.int64), np.empty((0, 2), np.int64), 3)
    assert len(found.types) == len(found.rows) == 0
    assert [level.offsets.tolist() for level in found.levels] == [[0]] * 3


@pytest.mark.parametrize(("atoms", "share"), [(0, 0.5), (1, 0.5), (9, 0.0), (30, 0.2)])
def test_neighbour_lists_hold_what_sorted_ones_do_each_atom_before_its_neighbours(atoms, share):
    bonds = random_bonds(np.random.default_rng(0), atoms, share)
    neighbours, offsets = neighbour_lists(bonds, atoms)
    expected, expected_offsets = adjacency(bonds, atoms)
    assert offsets.tolist() == expected_offsets.tolist()
    assert neighbours[offsets[:-1]].tolist() == list(range(atoms))
    for own, wanted in zip(
        *(np.split(found, offsets[1:-1]) for found in (neighbours, expected)), strict=True
    ):
        assert sorted(own.tolist()) == wanted.tolist()


@pytest.mark.parametrize("bond", [[0, 2], [2, 0], [-1, 1], [1, -1], [0, 10**12]])
def test_bonds_that_lead_out_of_the_batch_are_refused(bond):
    # Loops do not see where an array ends.
    with pytest.raises(IndexError, match="one leads out of it"):
        refine(np.array([0, 1]), np.array([[0, 1], bond]), 2)


@pytest.mark.parametrize("atom_type", [3, -1, 10**12])
def test_atom_types_without_feature_vectors_are_refused(atom_type):
    with pytest.raises(IndexError, match="feature vectors"):
        refine(np.array([0, atom_type]), np.array([[0, 1]]), 3)
