from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bench.backbone import BACKBONES
from bench.models.gcn import GCN, GCNOptions
from tests.models.encoders import check_gradients


def small_gcn(features: int = 74, seed: int = 0, **options: int) -> GCN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GCN(features, GCNOptions(**options))
        for module in model.modules():  # so that a missing bias or weight would show
            if isinstance(module, nn.BatchNorm1d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        for layer in model.layers:
            nn.init.uniform_(layer.convolution.bias, -0.5, 0.5)
    return model


def reference(model: GCN, graphs) -> np.ndarray:
    """The same mathematics atom by atom in NumPy, with batch statistics."""
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    owner = graphs.graph_index.tolist()
    neighbours = [[] for _ in owner]
    for source, target in zip(*(ends.tolist() for ends in graphs.edges), strict=True):
        neighbours[target].append(source)
    x = graphs.features.numpy().astype(np.float64)
    for number in range(len(model.layers)):
        layer = {
            name.removeprefix(f"layers.{number}."): value
            for name, value in state.items()
            if name.startswith(f"layers.{number}.")
        }
        rows = []
        for atom in range(len(x)):
            message = sum(x[other] @ layer["convolution.weight"] for other in neighbours[atom])
            convolved = np.maximum(message + layer["convolution.bias"], 0)
            residual = np.maximum(layer["residual.weight"] @ x[atom] + layer["residual.bias"], 0)
            rows.append(convolved + residual)
        x = np.stack(rows)
        x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * layer["norm.weight"] + layer["norm.bias"]
    embeddings = []
    for graph in range(graphs.num_graphs):
        atoms = [x[atom] for atom in range(len(x)) if owner[atom] == graph]
        gates = [
            1 / (1 + math.exp(-(state["gate.weight"][0] @ atom + state["gate.bias"][0])))
            for atom in atoms
        ]
        gated = sum(gate * atom for gate, atom in zip(gates, atoms, strict=True))
        read_out = np.concatenate([gated, np.max(atoms, axis=0)])
        embeddings.append(state["output.weight"] @ read_out + state["output.bias"])
    return np.stack(embeddings)


def test_default_encoder_has_the_published_number_of_parameters():
    model = GCN(74, GCNOptions())
    assert sum(parameter.numel() for parameter in model.parameters()) == 59_713
    assert model.out_features == 256


@pytest.mark.parametrize("options", [{}, {"hidden": 5, "layers": 1, "out": 3}])
def test_embeddings_equal_a_plain_atom_by_atom_computation(make_batch, options):
    graphs = make_batch().to(dtype=torch.float64)
    model = small_gcn(**options).double()
    np.testing.assert_allclose(
        model(graphs).detach().numpy(), reference(model, graphs), rtol=1e-10, atol=1e-10
    )


def test_all_gradients_equal_finite_differences(make_batch):
    graphs = make_batch([0, 1, 2]).to(dtype=torch.float64)
    model = small_gcn(hidden=3, layers=2, out=2).double()
    check_gradients(model, graphs)


def test_embeddings_do_not_depend_on_the_order_of_atoms(make_batch, make_graphs):
    packed = make_graphs()
    rng = np.random.default_rng(0)
    types, bonds = packed.atom_types.copy(), packed.bonds.copy()
    for graph in range(len(packed)):
        atoms = slice(*packed.atom_offsets[graph : graph + 2])
        order = rng.permutation(atoms.stop - atoms.start)
        types[atoms] = packed.atom_types[atoms][order]
        ends = slice(*packed.bond_offsets[graph : graph + 2])
        bonds[ends] = np.argsort(order)[packed.bonds[ends]]
    shuffled = replace(packed, atom_types=types, bonds=bonds)
    model = small_gcn().double()
    expected = model(make_batch(graphs=packed).to(dtype=torch.float64))
    got = model(make_batch(graphs=shuffled).to(dtype=torch.float64))
    torch.testing.assert_close(got, expected)


def test_in_evaluation_a_molecule_does_not_depend_on_its_batch(make_batch):
    model = small_gcn().eval()
    together = model(make_batch([3, 0, 2, 3]))
    torch.testing.assert_close(together[2:3], model(make_batch([2])), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together[0], together[3])


def test_a_training_batch_of_one_atom_uses_running_statistics_and_keeps_them(make_batch):
    model = small_gcn()
    model(make_batch())
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    lone_atom = make_batch([2])
    trained = model(lone_atom)
    trained.sum().backward()
    assert all(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    torch.testing.assert_close(trained, model.eval()(lone_atom))


def test_convolution_starts_xavier_uniform_without_bias():
    layer = GCN(74, GCNOptions()).layers[0].convolution
    bound = math.sqrt(6 / (74 + 64))
    assert 0.98 * bound < layer.weight.abs().max() <= bound
    assert abs(layer.weight.std().item() - bound / math.sqrt(3)) < 0.02 * bound
    assert not layer.bias.any()


@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"layers": 0}, {"out": 2.0}, {"width": 3}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        GCNOptions(**wrong)


def test_gcn_is_registered_as_a_molecule_encoder():
    entry = BACKBONES.get("gcn")
    assert entry.cls is GCN
    assert entry.facts["entity"] == "molecule"
    assert entry.facts["version"] == 3
