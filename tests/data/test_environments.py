from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import environments as module
from bench.data import packed
from bench.data.adjacency import adjacency, gather_ranges, offsets_of
from bench.data.environments import Environments, find_environments
from bench.data.packed import PackedGraphs
from bench.data.selection import EnvironmentIndex
from tests.bonds import FEATURES, types_of


def random_graphs(seed: int, count: int = 6, types: int = 3) -> PackedGraphs:
    # Few types and small graphs, so that surroundings repeat.
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 8, count)
    bonds = [np.argwhere(np.triu(rng.random((n, n)) < 0.4, k=1)).astype(np.int32) for n in sizes]
    return PackedGraphs(
        atom_features=np.eye(types, dtype=np.float32),
        atom_types=rng.integers(0, types, sizes.sum()).astype(np.int32),
        atom_offsets=offsets_of(sizes),
        bonds=np.concatenate(bonds),
        bond_offsets=offsets_of([len(pairs) for pairs in bonds]),
        bond_features=FEATURES,
        bond_types=types_of(sum(map(len, bonds))),
    )


def spelled_out(graphs: PackedGraphs, levels: int) -> list[list]:
    """Every atom's environment of each number of hops as nested tuples."""
    neighbours, offsets = graphs.adjacency()
    current = graphs.atom_types.tolist()
    found = []
    for _ in range(levels):
        current = [
            (current[i], tuple(sorted((current[j] for j in neighbours[a:b]), key=repr)))
            for i, (a, b) in enumerate(pairwise(offsets))
        ]
        found.append(current)
    return found


def numbers_by_level(environments: Environments) -> list[np.ndarray]:
    numbers = [environments.atoms]
    for level in reversed(environments.levels[1:]):
        numbers.append(level.centres[numbers[-1]])
    return numbers[::-1]


def assert_partition(graphs: PackedGraphs, environments: Environments) -> None:
    levels = len(environments.levels)
    expected = spelled_out(graphs, levels)
    for numbers, spelled, level in zip(
        numbers_by_level(environments), expected, environments.levels, strict=True
    ):
        pairs = set(zip(numbers.tolist(), map(repr, spelled), strict=True))
        assert len(pairs) == len(set(numbers.tolist())) == len(set(map(repr, spelled)))
        assert len(level) == len(pairs)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_atoms_share_a_number_exactly_if_their_surroundings_are_the_same(seed, levels):
    graphs = random_graphs(seed)
    found = find_environments(graphs.atom_types, *graphs.adjacency(), levels)
    assert_partition(graphs, found)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_a_level_lists_the_surroundings_in_numbers_of_the_level_below(seed):
    graphs = random_graphs(seed)
    neighbours, offsets = graphs.adjacency()
    found = find_environments(graphs.atom_types, neighbours, offsets)
    below = graphs.atom_types
    for numbers, level in zip(numbers_by_level(found), found.levels, strict=True):
        assert level.centres[numbers].tolist() == below.tolist()
        for atom, number in enumerate(numbers):
            listed = level.neighbours[level.offsets[number] : level.offsets[number + 1]]
            around = neighbours[offsets[atom] : offsets[atom + 1]]
            assert listed.tolist() == sorted(below[around].tolist())
        below = numbers


def test_colliding_hashes_are_found_out_and_another_salt_is_taken(monkeypatch):
    mixed = module._mixed
    monkeypatch.setattr(
        module, "_mixed", lambda stream, n: mixed(stream, n) if stream >= 4 else n * np.uint64(0)
    )
    graphs = random_graphs(1)
    assert_partition(graphs, find_environments(graphs.atom_types, *graphs.adjacency()))
    monkeypatch.setattr(module, "_mixed", lambda stream, n: n * np.uint64(0))
    with pytest.raises(RuntimeError, match="without collision"):
        find_environments(graphs.atom_types, *graphs.adjacency())


def test_working_in_chunks_changes_nothing(monkeypatch):
    graphs = random_graphs(2, count=20)
    whole = graphs.with_environments()
    monkeypatch.setattr(module, "_CHUNK", 7)
    monkeypatch.setattr(packed, "_CHUNK", 3)
    chunked = graphs.with_environments()
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(array, chunked.arrays()[name])
    first = np.repeat(graphs.atom_offsets[:-1], graphs.bonds_per_graph())
    bonds = graphs.bonds + first[:, None]
    for one, other in zip(
        graphs.adjacency(), adjacency(bonds, len(graphs.atom_types)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_arrays_round_trip_with_and_without_environments():
    graphs = random_graphs(3)
    assert PackedGraphs.from_arrays(graphs.arrays()).environments is None
    kept = graphs.with_environments()
    again = PackedGraphs.from_arrays(kept.arrays())
    assert again.arrays().keys() == kept.arrays().keys()
    assert len(again.environments.levels) == module.LEVELS


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_a_selection_is_the_same_environments_in_numbers_of_the_batch(seed, chosen):
    graphs = random_graphs(seed).with_environments()
    index = EnvironmentIndex(graphs.environments, len(graphs.atom_features))
    index.select(np.arange(len(graphs.atom_types)))  # what an earlier batch left must not matter
    atoms, _ = gather_ranges(graphs.atom_offsets, np.array(chosen))
    found = index.select(atoms)

    below = graphs.atom_types[atoms].tolist()
    rows = [found.rows]
    for level in reversed(found.levels):
        rows.append(level.centres[rows[-1]])
    rows = rows[::-1]
    assert found.types[rows[0]].tolist() == below
    everywhere = [graphs.atom_types, *numbers_by_level(graphs.environments)]
    for hops, level in enumerate(found.levels, start=1):
        known = graphs.environments.levels[hops - 1]
        here, there = rows[hops], everywhere[hops][atoms]
        number_of = dict(zip(here.tolist(), there.tolist(), strict=True))
        below_of = dict(zip(rows[hops - 1].tolist(), everywhere[hops - 1][atoms], strict=True))
        assert len(number_of) == len(set(there.tolist())) == len(level.centres)
        assert level.counts.tolist() == np.bincount(here).tolist()
        for row, number in number_of.items():
            listed = level.neighbours[level.offsets[row] : level.offsets[row + 1]]
            expected = known.neighbours[known.offsets[number] : known.offsets[number + 1]]
            assert [below_of[place] for place in listed] == expected.tolist()
