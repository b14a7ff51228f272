from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.data.batch import GraphBatch, ValueBatch
from bench.data.collate import Collator, GraphCollator
from bench.data.morgan import morgan_counts
from bench.data.packed import PackedGraphs
from bench.data.prepared import EntityIndex, PreparedData
from tests.bonds import FEATURES

# Propane-like chain, a lone atom, a triangle.
GRAPHS = PackedGraphs(
    atom_features=np.array([[0, 1], [1, 0], [1, 1]], np.float32),
    atom_types=np.array([0, 1, 0, 2, 1, 1, 1], np.int32),
    atom_offsets=np.array([0, 3, 4, 7]),
    bonds=np.array([[0, 1], [1, 2], [0, 1], [1, 2], [0, 2]], np.int32),
    bond_offsets=np.array([0, 2, 2, 5]),
    bond_features=FEATURES,
    bond_types=np.array([0, 2, 1, 0, 1], np.uint8),
)


def prepared(graphs: PackedGraphs = GRAPHS) -> PreparedData:
    rows = np.arange(4)
    return PreparedData(
        name="synthetic",
        entities=(
            EntityIndex("reactants", "molecule", np.array([0, 1, 2, 0], np.int32)),
            EntityIndex("target", "protein", np.array([2, 0, 2, 2], np.int32)),
            EntityIndex("product", "molecule", np.array([1, 1, 0, 2], np.int32)),
            EntityIndex("family", "category", np.array([1, 1, 0, 1], np.int32)),
        ),
        graphs=graphs,
        smiles=(),
        proteins=("AA", "CC", "DD"),
        categories=("kinase", "receptor"),
        labels=np.array([1, 0, 1, 0]),
        class_names=("no", "yes"),
        rows=rows,
        identity=rows,
        total_rows=4,
        unusable=(),
        repaired=(),
        notes=(),
        data_sha256="",
        content_sha256="",
        fingerprint="",
    )


# A SMILES of each graph.
SMILES = ("CNC", "O", "C1CC1")
PROTEIN_ROWS = np.array([[1, 1], [2, 2], [3, 3]], np.uint8)


def edge_list(batch: GraphBatch) -> list[tuple[int, int]]:
    sources, targets = batch.edges
    return sorted(zip(sources.tolist(), targets.tolist(), strict=True))


def collate(graphs: PackedGraphs, numbers: list[int]) -> GraphBatch:
    return GraphCollator(graphs)(np.array(numbers))


@given(st.lists(st.integers(0, len(GRAPHS) - 1), min_size=1, max_size=12))
def test_graphs_are_laid_end_to_end_as_a_plain_loop_does(numbers):
    types, edges, index, first = [], [], [], 0
    for place, number in enumerate(numbers):
        atoms = range(GRAPHS.atom_offsets[number], GRAPHS.atom_offsets[number + 1])
        bonds = GRAPHS.bonds[GRAPHS.bond_offsets[number] : GRAPHS.bond_offsets[number + 1]]
        types += [int(GRAPHS.atom_types[atom]) for atom in atoms]
        index += [place] * len(atoms)
        for a, b in bonds.tolist():
            edges += [(first + a, first + b), (first + b, first + a)]
        edges += [(first + atom, first + atom) for atom in range(len(atoms))]
        first += len(atoms)

    batch = collate(GRAPHS, numbers)

    assert batch.atom_types.tolist() == types
    assert batch.graph_index.tolist() == index
    assert edge_list(batch) == sorted(edges)
    assert (batch.num_graphs, batch.num_atoms) == (len(numbers), len(types))
    assert torch.equal(batch.features, torch.from_numpy(GRAPHS.atom_features[types]))


def test_neighbour_lists_hold_both_ends_of_each_bond_and_the_atom_itself():
    batch = collate(GRAPHS, [0, 1])
    lists = [
        set(batch.neighbours[start:end].tolist())
        for start, end in zip(
            batch.neighbour_offsets[:-1].tolist(), batch.neighbour_offsets[1:].tolist(), strict=True
        )
    ]
    assert lists == [{0, 1}, {0, 1, 2}, {1, 2}, {3}]


def test_a_batch_read_from_memory_mapped_arrays_is_the_same_and_its_own_copy(tmp_path):
    arrays = {}
    for name, array in GRAPHS.arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
        arrays[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    batch = Collator(prepared(PackedGraphs.from_arrays(arrays)), PROTEIN_ROWS)(np.array([3, 0]))
    expected = Collator(prepared(), PROTEIN_ROWS)(np.array([3, 0]))
    for name in ("atom_features", "atom_types", "atom_offsets", "bonds"):
        tensor = getattr(batch.inputs["molecule"], name)
        assert torch.equal(tensor, getattr(expected.inputs["molecule"], name))
        tensor += 1  # a view of a read-only file would crash


def test_molecules_of_all_entities_share_one_graph_batch_entity_by_entity():
    batch = Collator(prepared(), PROTEIN_ROWS)(np.array([2, 0]))
    # Reactants of samples 2 and 0 are graphs 2 and 0, their products graphs 0 and 1.
    assert batch.inputs["molecule"].atom_offsets.diff().tolist() == [3, 3, 3, 1]
    assert batch.inputs["molecule"].atom_types.tolist() == [1, 1, 1, 0, 1, 0, 0, 1, 0, 2]


def test_each_distinct_protein_and_category_stands_in_a_batch_once():
    batch = Collator(prepared(), PROTEIN_ROWS)(np.array([0, 1, 3]))
    proteins, categories = batch.inputs["protein"], batch.inputs["category"]
    assert isinstance(proteins, ValueBatch)
    assert proteins.rows.tolist() == [[1, 1], [3, 3]]
    assert proteins.index.tolist() == [1, 0, 1]
    assert categories.rows.tolist() == [1]
    assert categories.index.tolist() == [0, 0, 0]


def test_labels_and_positions_follow_the_order_asked_for_and_may_repeat():
    batch = Collator(prepared(), PROTEIN_ROWS)(np.array([3, 0, 0], np.int32))
    assert len(batch) == 3
    assert batch.labels.tolist() == [0, 1, 1]
    assert batch.positions.tolist() == [3, 0, 0]
    assert batch.labels.dtype == batch.positions.dtype == torch.int64


@pytest.mark.parametrize("rows", [None, PROTEIN_ROWS[:2]])
def test_proteins_without_a_row_each_are_refused(rows):
    with pytest.raises(ValueError, match="Expected 3 protein rows for synthetic, but got"):
        Collator(prepared(), rows)


def test_moving_a_batch_changes_floats_only():
    batch = Collator(prepared(), PROTEIN_ROWS)(np.array([0, 1])).to("cpu", torch.float64)
    assert batch.inputs["molecule"].features.dtype == torch.float64
    assert batch.inputs["molecule"].neighbours.dtype == torch.int64
    assert batch.inputs["protein"].rows.dtype == torch.uint8
    assert Collator(prepared(), PROTEIN_ROWS)(np.array([0])).to("meta").labels.is_meta


def test_batches_are_frozen():
    batch = Collator(prepared(), PROTEIN_ROWS)(np.array([0]))
    with pytest.raises(FrozenInstanceError):
        batch.inputs["molecule"].atom_types = torch.zeros(1)


@given(st.lists(st.integers(0, len(GRAPHS) - 1), min_size=1, max_size=12))
def test_types_of_bonds_stand_in_the_order_of_the_bonds(numbers):
    batch = collate(GRAPHS, numbers)
    expected = [
        kind
        for number in numbers
        for kind in GRAPHS.bond_types[slice(*GRAPHS.bond_offsets[number : number + 2])].tolist()
    ]
    assert batch.bond_types.tolist() == expected
    assert batch.bond_types.dtype == torch.int64
    np.testing.assert_array_equal(batch.bond_features.numpy(), FEATURES)


def test_directed_edges_have_the_features_of_their_bond():
    # The triangle, and before it the chain.
    batch = collate(GRAPHS, [0, 2])
    edges = batch.directed
    assert list(zip(edges.targets.tolist(), edges.sources.tolist(), strict=True)) == [
        (0, 1), (1, 0), (1, 2), (2, 1),
        (3, 4), (3, 5), (4, 3), (4, 5), (5, 3), (5, 4),
    ]  # fmt: skip
    assert edges.types.tolist() == [0, 0, 2, 2, 1, 1, 1, 0, 1, 0]
    assert batch.directed is edges


@pytest.mark.parametrize("types", [0, 1, 3])
def test_bonds_without_types_of_their_own_are_refused(types):
    batch = collate(GRAPHS, [0])
    with pytest.raises(ValueError, match=rf"2 bonds, but got {types} types. Change `bond_types`"):
        replace(batch, bond_types=torch.zeros(types, dtype=torch.int64))


def fingerprinted(numbers, dtype=None):
    collator = Collator(
        replace(prepared(), smiles=SMILES), PROTEIN_ROWS, dtype=dtype, fingerprint_bits=32
    )
    return collator(np.array(numbers)).inputs["molecule"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fingerprints_are_the_counts_of_each_molecule(dtype):
    batch = fingerprinted([3, 0], dtype)
    # Reactants, then products.
    for row, number in zip(batch.fingerprints, [0, 0, 2, 1], strict=True):
        expected = np.zeros(32)
        entries = morgan_counts(SMILES[number], radius=2, bits=32)
        expected[entries.places] = entries.values
        assert row.tolist() == expected.tolist()
    assert batch.fingerprints.dtype == dtype


def test_batches_have_fingerprints_only_where_an_encoder_reads_them():
    assert Collator(prepared(), PROTEIN_ROWS)(np.array([0])).inputs["molecule"].fingerprints is None


def test_fingerprints_are_added_to_what_a_batch_knows():
    batch = collate(GRAPHS.with_environments(), [0, 2])
    neighbours = batch.neighbours
    found = batch.with_fingerprints(torch.ones(2, 4))
    assert found.fingerprints.shape == (2, 4)
    assert batch.fingerprints is None
    assert found.environments is batch.environments is not None
    assert found.neighbours is neighbours
    moved = found.to(dtype=torch.float64)
    assert moved.fingerprints.dtype == moved.bond_features.dtype == torch.float64


@pytest.mark.parametrize("by_environment", [True, False])
def test_environments_are_carried_where_an_encoder_reads_them(by_environment):
    data = prepared(GRAPHS.with_environments())
    batch = Collator(data, PROTEIN_ROWS, by_environment=by_environment)(np.array([0]))
    assert (batch.inputs["molecule"].environments is not None) is by_environment


def test_without_bond_features_arrays_are_not_those_of_graphs():
    arrays = GRAPHS.arrays()
    assert {"bond_features", "bond_types"} <= arrays.keys()
    with pytest.raises(KeyError, match="bond_types"):
        PackedGraphs.from_arrays({k: v for k, v in arrays.items() if k != "bond_types"})
