from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.models.gin import GIN, GINE, GINOptions
from tests.models.encoders import check_gradients, check_one_atom, check_peer

OPTIONS = [{}, {"layers": 1, "hidden": 5, "out": 3}]


def made(encoder: type, features: int = 74, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = encoder(features, GINOptions(**options))
        for parameter in model.parameters():  # so that a missing shift would show
            if parameter.ndim == 1:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def reference(model, graphs) -> np.ndarray:
    """The same mathematics atom by atom in NumPy, in training."""
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    into = [[] for _ in range(graphs.num_atoms)]
    kinds = graphs.bond_features.numpy()[graphs.bond_types.numpy()]
    for (one, other), kind in zip(graphs.bonds.tolist(), kinds, strict=True):
        into[one].append((other, kind))
        into[other].append((one, kind))
    x = list(graphs.features.numpy())
    if isinstance(model, GINE):
        x = [state["input.weight"] @ row + state["input.bias"] for row in x]
    for layer in range(len(model.layers)):
        after, name = [], f"layers.{layer}."
        for atom, neighbours in enumerate(into):
            summed = x[atom].copy()
            for neighbour, kind in neighbours:
                message = x[neighbour]
                if isinstance(model, GINE):
                    message = np.maximum(message + state[f"bonds.{layer}.weight"] @ kind, 0)
                summed += message
            within = state[name + "first.weight"] @ summed + state[name + "first.bias"]
            after.append(state[name + "second.weight"] @ np.maximum(within, 0))
        if len(after) > 1:
            mean, variance = np.mean(after, axis=0), np.var(after, axis=0)
        else:
            mean, variance = 0, 1
        scaled = (np.array(after) - mean) / np.sqrt(variance + 1e-5)
        scaled = scaled * state[name + "norm.weight"] + state[name + "norm.bias"]
        x = list(np.maximum(scaled, 0))
    return np.stack(
        [
            state["output.weight"] @ sum(x[first:last]) + state["output.bias"]
            for first, last in zip(graphs.atom_offsets[:-1], graphs.atom_offsets[1:], strict=True)
        ]
    )


@pytest.mark.parametrize("encoder", [GIN, GINE])
@pytest.mark.parametrize("options", OPTIONS)
def test_embeddings_equal_a_plain_computation_atom_by_atom(make_batch, encoder, options):
    graphs = make_batch().to(dtype=torch.float64)
    model = made(encoder, **options).double()
    expected = reference(model, graphs)
    np.testing.assert_allclose(model(graphs).detach().numpy(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("encoder", [GIN, GINE])
def test_all_gradients_equal_finite_differences(make_batch, encoder):
    graphs = make_batch([0, 1, 2]).to(dtype=torch.float64)
    model = made(encoder, hidden=4, out=3).double().eval()
    check_gradients(model, graphs)


@pytest.mark.parametrize("encoder", [GIN, GINE])
def test_one_molecule_of_one_atom(make_batch, encoder):
    model = made(encoder)
    check_one_atom(model, make_batch([2]), reference)
    for name, parameter in model.named_parameters():
        assert parameter.grad.any() != name.startswith("bonds")


def test_types_of_bonds_change_the_embeddings_of_gine_alone(make_batch):
    graphs = make_batch([0, 1, 3])
    others = graphs.bond_types.roll(1)
    assert not torch.equal(others, graphs.bond_types)
    before = {encoder: made(encoder)(graphs) for encoder in (GIN, GINE)}
    graphs.bond_types.copy_(others)
    vars(graphs).pop("directed", None)
    assert torch.equal(made(GIN)(graphs), before[GIN])
    assert not torch.allclose(made(GINE)(graphs), before[GINE])


@pytest.mark.parametrize("encoder", [GIN, GINE])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_equal_those_of_pytorch_geometric(make_batch, dtype, encoder):
    pyg = pytest.importorskip("torch_geometric")
    graphs = make_batch().to(dtype=dtype)
    edges = graphs.directed
    # In evaluation: a normalisation by the batch would magnify what was rounded before it.
    ours, theirs = made(encoder).to(dtype).eval(), made(encoder).to(dtype).eval()
    ends = torch.stack([edges.sources, edges.targets])
    described = graphs.bond_features[edges.types]
    convolutions = []
    for layer in theirs.layers:
        perceptron = torch.nn.Sequential(layer.first, torch.nn.ReLU(), layer.second)
        if encoder is GIN:
            convolutions.append(pyg.nn.GINConv(perceptron))
        else:
            convolutions.append(pyg.nn.GINEConv(perceptron, edge_dim=12).to(dtype))
            convolutions[-1].lin.weight = theirs.bonds[len(convolutions) - 1].weight
            torch.nn.init.zeros_(convolutions[-1].lin.bias)
    theirs.load_state_dict(ours.state_dict())  # their layers drew new weights
    x = graphs.features if encoder is GIN else theirs.input(graphs.features)
    more = () if encoder is GIN else (described,)
    for convolution, layer in zip(convolutions, theirs.layers, strict=True):
        x = layer.norm(convolution(x, ends, *more)).relu()
    expected = theirs.output(pyg.nn.global_add_pool(x, graphs.graph_index))
    check_peer(ours(graphs), expected, zip(ours.parameters(), theirs.parameters(), strict=True))
