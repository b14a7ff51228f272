from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench.models.gat import GAT, GATOptions, softmax_with_own
from tests.models.encoders import (
    check_gradients,
    check_one_atom,
    check_peer,
    check_second_derivatives,
)

OPTIONS = [{}, {"layers": 1, "hidden": 6, "heads": 3, "out": 3}, {"heads": 1}]


def made(features: int = 74, **options) -> GAT:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GAT(features, GATOptions(**options))
        for parameter in model.parameters():  # so that a missing shift would show
            if parameter.ndim == 1:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def softmax(scores):
    powers = [np.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def reference(model: GAT, graphs) -> np.ndarray:
    """The same mathematics neighbour by neighbour in NumPy, in training."""
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    into = [[(atom, np.zeros(12))] for atom in range(graphs.num_atoms)]
    kinds = graphs.bond_features.numpy()[graphs.bond_types.numpy()]
    for (one, other), kind in zip(graphs.bonds.tolist(), kinds, strict=True):
        into[one].append((other, kind))
        into[other].append((one, kind))
    x = list(graphs.features.numpy())
    for layer in range(len(model.layers)):
        after, name = [], f"layers.{layer}."
        sent = [state[name + "source.weight"] @ row for row in x]
        for atom, neighbours in enumerate(into):
            own = state[name + "target.weight"] @ x[atom] + state[name + "target.bias"]
            parts = []
            for head, score in enumerate(state[name + "score"]):
                part = slice(head * len(score), (head + 1) * len(score))
                scores = []
                for neighbour, kind in neighbours:
                    both = sent[neighbour] + own + state[name + "bond.weight"] @ kind
                    scores.append(score @ np.where(both > 0, both, 0.2 * both)[part])
                weights = softmax(scores)
                parts.append(
                    sum(
                        weight * sent[neighbour][part]
                        for weight, (neighbour, _) in zip(weights, neighbours, strict=True)
                    )
                )
            after.append(np.concatenate(parts))
        if len(after) > 1:
            mean, variance = np.mean(after, axis=0), np.var(after, axis=0)
        else:
            mean, variance = 0, 1
        scaled = (np.array(after) - mean) / np.sqrt(variance + 1e-5)
        name = f"norms.{layer}."
        scaled = scaled * state[name + "weight"] + state[name + "bias"]
        x = list(np.where(scaled > 0, scaled, np.expm1(np.minimum(scaled, 0))))
    return np.stack(
        [
            state["output.weight"] @ sum(x[first:last]) + state["output.bias"]
            for first, last in zip(graphs.atom_offsets[:-1], graphs.atom_offsets[1:], strict=True)
        ]
    )


@pytest.mark.parametrize("options", OPTIONS)
def test_embeddings_equal_a_plain_computation_neighbour_by_neighbour(make_batch, options):
    graphs = make_batch().to(dtype=torch.float64)
    model = made(**options).double()
    expected = reference(model, graphs)
    np.testing.assert_allclose(model(graphs).detach().numpy(), expected, rtol=1e-10, atol=1e-10)


def test_all_gradients_equal_finite_differences(make_batch):
    graphs = make_batch([0, 1, 2]).to(dtype=torch.float64)
    model = made(hidden=4, heads=2, layers=2, out=3).double()
    check_gradients(model, graphs)


def test_second_derivatives_are_refused_and_not_wrong(make_batch):
    model = made(hidden=4)
    check_second_derivatives(model, make_batch(), model.layers[0].source.weight)


def test_one_molecule_of_one_atom(make_batch):
    check_one_atom(made(), make_batch([2]), reference)


def test_types_of_bonds_change_the_embeddings(make_batch):
    graphs = make_batch([0, 1, 3])
    before = made()(graphs)
    graphs.bond_types.copy_(graphs.bond_types.roll(1))
    vars(graphs).pop("directed")
    assert not torch.allclose(made()(graphs), before)


def test_weights_of_large_scores_are_finite_and_add_up_to_one(make_batch):
    graphs = make_batch()
    edges = graphs.directed
    scores = 1e4 * torch.randn(len(edges), 2, dtype=torch.float64).sign()
    own = torch.full((graphs.num_atoms, 2), -1e4, dtype=torch.float64)
    weights, own_weights = softmax_with_own(scores.requires_grad_(), own.requires_grad_(), edges)
    total = own_weights.detach().index_add(0, edges.targets, weights.detach())
    torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-12, atol=0)
    (weights.square().sum() + own_weights.square().sum()).backward()
    assert scores.grad.isfinite().all()
    assert own.grad.isfinite().all()


def test_heads_that_do_not_divide_the_features_are_refused():
    with pytest.raises(ValidationError, match="multiple of heads, but got 10 and 4"):
        GATOptions(hidden=10)


@pytest.mark.parametrize(("dtype", "layers"), [(torch.float32, 1), (torch.float64, 3)])
def test_values_and_gradients_equal_those_of_pytorch_geometric(make_batch, dtype, layers):
    pyg = pytest.importorskip("torch_geometric")
    graphs = make_batch().to(dtype=dtype)
    edges = graphs.directed
    # In evaluation: a normalisation by the batch would magnify what was rounded before it.
    ours, theirs = (made(layers=layers).to(dtype).eval() for _ in range(2))
    ends = torch.stack([edges.sources, edges.targets])
    described = graphs.bond_features[edges.types]
    x = graphs.features
    for layer, norm in zip(theirs.layers, theirs.norms, strict=True):
        convolution = pyg.nn.GATv2Conv(x.shape[1], 16, heads=4, edge_dim=12, fill_value=0.0).to(
            dtype
        )
        convolution.lin_l.weight = layer.source.weight
        for bias in (convolution.lin_l.bias, convolution.bias):
            torch.nn.init.zeros_(bias)
        convolution.lin_r.weight, convolution.lin_r.bias = layer.target.weight, layer.target.bias
        convolution.lin_edge.weight = layer.bond.weight
        # Their scores have one dimension more; the gradient comes back through the view.
        del convolution.att
        convolution.att = layer.score[None]
        x = torch.nn.functional.elu(norm(convolution(x, ends, described)))
    expected = theirs.output(pyg.nn.global_add_pool(x, graphs.graph_index))
    check_peer(ours(graphs), expected, zip(ours.parameters(), theirs.parameters(), strict=True))
