from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.models.dmpnn import DMPNN, DMPNNOptions, others_to_sources
from tests.models.encoders import (
    check_gradients,
    check_one_atom,
    check_peer,
    check_second_derivatives,
)


def made(seed: int = 0, features: int = 74, **options) -> DMPNN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DMPNN(features, DMPNNOptions(**options))


def reference(model: DMPNN, graphs) -> np.ndarray:
    """The same mathematics bond by bond in NumPy."""
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    x = graphs.features.numpy()
    features = graphs.bond_features.numpy()[graphs.bond_types.numpy()]
    described = {}
    for (one, other), row in zip(graphs.bonds.tolist(), features, strict=True):
        described[one, other] = described[other, one] = row
    start = {
        (v, w): state["W_i.weight"] @ np.concatenate([x[v], row])
        for (v, w), row in described.items()
    }
    bonds = {edge: np.maximum(row, 0) for edge, row in start.items()}
    nothing = np.zeros(state["W_h.weight"].shape[0])
    for _ in range(model.rounds):
        heard = {
            (v, w): sum((h for (a, b), h in bonds.items() if b == v and a != w), nothing)
            for v, w in bonds
        }
        bonds = {
            edge: np.maximum(start[edge] + state["W_h.weight"] @ heard[edge], 0) for edge in bonds
        }
    embeddings = []
    for first, last in zip(graphs.atom_offsets[:-1], graphs.atom_offsets[1:], strict=True):
        atoms = []
        for v in range(first, last):
            heard = sum((h for (_, b), h in bonds.items() if b == v), nothing)
            read = state["W_o.weight"] @ np.concatenate([x[v], heard]) + state["W_o.bias"]
            atoms.append(np.maximum(read, 0))
        divisor = {"mean": len(atoms), "sum": 1, "norm": 100}[model.read_out]
        read = np.sum(atoms, axis=0) / divisor
        embeddings.append(state["output.weight"] @ read + state["output.bias"])
    return np.stack(embeddings)


@pytest.mark.parametrize("read_out", ["mean", "sum", "norm"])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_embeddings_equal_a_plain_bond_by_bond_computation(make_batch, layers, read_out):
    graphs = make_batch().to(dtype=torch.float64)
    model = made(layers=layers, read_out=read_out, hidden=7, out=5).double()
    expected = reference(model, graphs)
    np.testing.assert_allclose(model(graphs).detach().numpy(), expected, rtol=1e-10, atol=1e-10)


def test_all_gradients_equal_finite_differences(make_batch):
    graphs = make_batch([0, 1, 2]).to(dtype=torch.float64)
    model = made(hidden=4, out=3).double()
    check_gradients(model, graphs)


def test_messages_never_turn_back(make_batch):
    graphs = make_batch().to(dtype=torch.float64)
    edges = graphs.directed
    bonds = torch.randn(len(edges), 3, dtype=torch.float64, requires_grad=True)
    heard = others_to_sources(bonds, edges)
    ends = list(zip(edges.sources.tolist(), edges.targets.tolist(), strict=True))
    for number, (v, w) in enumerate(ends):
        into = [e for e, (a, b) in enumerate(ends) if b == v and a != w]
        torch.testing.assert_close(heard[number], bonds[into].sum(0))
    torch.autograd.gradcheck(lambda rows: others_to_sources(rows, edges), [bonds])


def test_second_derivatives_are_refused_and_not_wrong(make_batch):
    model = made(hidden=4)
    check_second_derivatives(model, make_batch(), model.W_i.weight)


def test_one_molecule_of_one_atom(make_batch):
    check_one_atom(made(), make_batch([2]), reference)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("read_out", ["mean", "sum", "norm"])
def test_values_and_gradients_equal_those_of_chemprop(make_batch, dtype, read_out):
    chemprop = pytest.importorskip("chemprop")
    graphs = make_batch().to(dtype=dtype)
    edges = graphs.directed
    ours = made(read_out=read_out).to(dtype)
    theirs = chemprop.nn.BondMessagePassing(74, 12, d_h=128, depth=3).to(dtype)
    weights = {n: p for n, p in ours.state_dict().items() if not n.startswith("output")}
    theirs.load_state_dict(weights)
    kind = getattr(chemprop.nn, f"{read_out.title()}Aggregation")
    packed = SimpleNamespace(
        V=graphs.features,
        E=graphs.bond_features[edges.types],
        edge_index=torch.stack([edges.sources, edges.targets]),
        rev_edge_index=edges.reverse,
        batch=graphs.graph_index,
    )
    expected = ours.output(kind()(theirs(packed), packed.batch))
    mine = dict(ours.named_parameters())
    check_peer(ours(graphs), expected, [(mine[n], p) for n, p in theirs.named_parameters()])
