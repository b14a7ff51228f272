from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.data.batch import GraphBatch, ValueBatch
from bench.data.collate import Collator, GraphCollator
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
