"""Batches out of data that lives on a device are those that the collator makes one by one.

The device here is the CPU, which the collator itself would not use so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import resident
from bench.data.adjacency import adjacency, offsets_of
from bench.data.batch import Batch, GraphBatch, ValueBatch, sorted_adjacency
from bench.data.collate import Collator, GraphCollator
from bench.data.packed import PackedGraphs
from bench.data.prepared import HIDDEN
from bench.data.stretch import cut, end_to_end
from bench.models.gcn import GCN, GCNOptions
from tests.bonds import FEATURES, types_of
from tests.data.test_batch import PROTEIN_ROWS, prepared
from tests.toy import toy_data

DATA = toy_data((40, 20))
_LISTS = ("graph_index", "neighbours", "neighbour_offsets")
_FIELDS = (
    "atom_features", "atom_types", "atom_offsets", "bonds", "bond_features", "bond_types",
)  # fmt: skip


def random_graphs(rng, count) -> PackedGraphs:
    sizes = rng.integers(1, 8, count)
    bonds = [
        [(a, b) for a in range(size) for b in range(a) if rng.random() < 0.4] for size in sizes
    ]
    return PackedGraphs(
        atom_features=rng.random((5, 3)).astype(np.float32),
        atom_types=rng.integers(0, 5, sizes.sum()).astype(np.int32),
        atom_offsets=offsets_of(sizes),
        bonds=np.array([bond for of in bonds for bond in of], np.int32).reshape(-1, 2),
        bond_offsets=offsets_of([len(of) for of in bonds]),
        bond_features=FEATURES,
        bond_types=types_of(sum(map(len, bonds))),
    )


def require_equal_graphs(one: GraphBatch, other: GraphBatch):
    for name in (*_FIELDS, *_LISTS):
        found, expected = getattr(one, name), getattr(other, name)
        assert found.dtype == expected.dtype, name
        assert torch.equal(found, expected), name


def require_equal_fingerprints(one: GraphBatch, other: GraphBatch):
    assert (one.fingerprints is None) == (other.fingerprints is None)
    if one.fingerprints is not None:
        assert one.fingerprints.dtype == other.fingerprints.dtype
        assert torch.equal(one.fingerprints, other.fingerprints)


def require_equal(one: Batch, other: Batch):
    assert list(one.inputs) == list(other.inputs)
    assert torch.equal(one.positions, other.positions)
    assert (one.known_labels is None) == (other.known_labels is None)
    if one.known_labels is not None:
        assert torch.equal(one.labels, other.labels)
    for kind, values in one.inputs.items():
        expected = other.inputs[kind]
        if isinstance(values, GraphBatch):
            require_equal_graphs(values, expected)
            require_equal_fingerprints(values, expected)
        else:
            assert isinstance(values, ValueBatch)
            assert torch.equal(values.rows, expected.rows)
            assert torch.equal(values.index, expected.index)


def require_equal_epochs(collator: Collator, batches):
    found = list(collator.resident.epoch(batches))
    assert len(found) == len(batches)
    for batch, positions in zip(found, batches, strict=True):
        require_equal(batch, collator(positions))


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=5), st.integers(0, 10**6))
def test_an_epoch_on_the_device_has_the_arrays_of_batches_made_one_by_one(chosen, seed):
    data = prepared(random_graphs(np.random.default_rng(seed), 3))
    data.labels[2] = HIDDEN
    batches = [np.array(positions, np.int64) for positions in chosen]
    require_equal_epochs(Collator(data, PROTEIN_ROWS), batches)


def test_it_is_laid_out_in_pieces_where_it_is_large(monkeypatch):
    data = toy_data((40, 20))
    collator, pieces = Collator(data), []
    lay_out = resident.ResidentGraphs.lay_out
    monkeypatch.setattr(resident, "STRETCH_BYTES", 8000)
    monkeypatch.setattr(
        resident.ResidentGraphs,
        "lay_out",
        lambda *arguments: pieces.append(arguments) or lay_out(*arguments),
    )
    batches = np.array_split(np.random.default_rng(0).permutation(60), 10)
    require_equal_epochs(collator, batches)
    assert 2 < len(pieces) < 10


def test_data_without_molecules_is_laid_out_too():
    data = prepared()
    data = replace(data, entities=tuple(e for e in data.entities if e.kind != "molecule"))
    require_equal_epochs(Collator(data, PROTEIN_ROWS), [np.array([0, 3]), np.array([2])])


@pytest.mark.parametrize("kinds", [("molecule",), ("protein",), ("molecule", "protein")])
def test_an_epoch_without_batches_is_empty_and_so_is_a_batch_without_samples(kinds):
    data = prepared()
    data = replace(data, entities=tuple(e for e in data.entities if e.kind in kinds))
    require_equal_epochs(Collator(data, PROTEIN_ROWS), [])
    require_equal_epochs(Collator(data, PROTEIN_ROWS), [np.empty(0, np.int64)])


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.integers(0, 59), max_size=6), min_size=1, max_size=4))
def test_fingerprints_are_laid_out_as_the_collator_does(chosen):
    collator = Collator(DATA, dtype=torch.float64, fingerprint_bits=64)
    require_equal_epochs(collator, [np.array(numbers, np.int64) for numbers in chosen])


def test_batches_of_an_epoch_share_memory_and_know_their_neighbours():
    data = toy_data((40, 20))
    first, second = Collator(data).resident.epoch(np.split(np.arange(40), 2))
    one, other = first.inputs["molecule"], second.inputs["molecule"]
    for name in ("atom_types", "bonds", *_LISTS):
        storages = [getattr(graphs, name).untyped_storage().data_ptr() for graphs in (one, other)]
        assert storages[0] == storages[1], name
    assert {"graph_index", "_adjacency"} <= vars(one).keys()


def test_the_encoder_has_equal_embeddings_and_gradients():
    collator = Collator(toy_data((40, 20)), dtype=torch.float64)
    encoder = GCN(collator(np.arange(2)).inputs["molecule"].features.shape[1], GCNOptions())
    encoder = encoder.double()
    seen = []
    for batch in (collator(np.arange(32)), *collator.resident.epoch([np.arange(32)])):
        embeddings = encoder(batch.inputs["molecule"].with_environments(None))
        seen.append(embeddings)
        gradients = torch.autograd.grad(embeddings.square().sum(), list(encoder.parameters()))
        seen.append(torch.cat([gradient.flatten() for gradient in gradients]))
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])


def test_on_the_cpu_an_epoch_is_collated_batch_by_batch():
    collator = Collator(toy_data((40, 20)))
    batches = np.split(np.arange(40), 4)
    for batch, positions in zip(collator.epoch(batches), batches, strict=True):
        require_equal(batch, collator(positions))
    assert "resident" not in vars(collator)


def test_elsewhere_it_is_laid_out_there():
    collator = Collator(toy_data((40, 20)), device=torch.device("meta"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resident.ResidentData, "epoch", lambda _, batches: iter(["resident"]))
        assert list(collator.epoch([np.arange(4)])) == ["resident"]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 6))
def test_one_sort_finds_the_neighbours_that_the_sparse_matrix_does(seed, count):
    graphs = random_graphs(np.random.default_rng(seed), count)
    shifts = np.repeat(graphs.atom_offsets[:-1], np.diff(graphs.bond_offsets))
    bonds = graphs.bonds + shifts[:, None]
    neighbours, offsets = adjacency(bonds, len(graphs.atom_types))
    found = sorted_adjacency(torch.from_numpy(bonds.astype(np.int64)), len(graphs.atom_types))
    assert found[0].tolist() == neighbours.tolist()
    assert found[1].tolist() == offsets.tolist()
    assert {tensor.dtype for tensor in found} == {torch.int64}


def test_edited_graphs_off_the_cpu_find_their_neighbours_where_they_are():
    graphs = Collator(toy_data((40, 20)))(np.arange(9)).inputs["molecule"].with_environments(None)
    there = graphs.to("meta")
    assert there.neighbours.is_meta
    assert there.neighbours.shape == graphs.neighbours.shape
    assert there.neighbour_offsets.shape == graphs.neighbour_offsets.shape


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 59), max_size=6), min_size=1, max_size=5))
def test_batches_laid_end_to_end_are_cut_into_themselves(chosen):
    collator = Collator(toy_data((40, 20)))
    parts = [collator(np.array(numbers, np.int64)).inputs["molecule"] for numbers in chosen]
    whole = end_to_end(parts)
    together = collator(np.array([n for part in chosen for n in part], np.int64)).inputs["molecule"]
    require_equal_graphs(whole, together)
    for part, found in zip(parts, cut(whole, [len(numbers) for numbers in chosen]), strict=True):
        require_equal_graphs(found, part)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1))
def test_types_of_bonds_are_laid_end_to_end_and_cut_with_them(seed, chosen):
    collator = GraphCollator(random_graphs(np.random.default_rng(seed), 10))
    parts = [collator(np.array(numbers, np.int64)) for numbers in chosen]
    for part, found in zip(parts, cut(end_to_end(parts), list(map(len, chosen))), strict=True):
        require_equal_graphs(found, part)


def test_no_batches_end_to_end_are_a_batch_without_graphs():
    whole = end_to_end([])
    assert (whole.num_graphs, whole.num_atoms) == (0, 0)
    assert whole.features.shape == (0, 0)
    assert whole.neighbours.tolist() == []
    assert list(cut(whole, [])) == []
