from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.models._attention import segment_softmax
from bench.models.attentivefp import AttentiveFP, AttentiveFPOptions, GatedUnit
from tests.models.encoders import (
    check_gradients,
    check_one_atom,
    check_peer,
    check_second_derivatives,
)


def made(seed: int = 0, features: int = 74, **options) -> AttentiveFP:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AttentiveFP(features, AttentiveFPOptions(**options))
        for name, parameter in model.named_parameters():  # so that a missing bias would show
            if name.endswith(".bias"):
                torch.nn.init.uniform_(parameter, -0.5, 0.5)
    return model


def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(scores):
    powers = [np.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def unit(state, name, x, h):
    """A gated recurrent unit (Cho et al., 2014, arXiv 1406.1078), as torch lays its weights out."""
    of_x = np.split(state[f"{name}.of_input.weight"] @ x + state[f"{name}.of_input.bias"], 3)
    of_h = np.split(state[f"{name}.of_state.weight"] @ h + state[f"{name}.of_state.bias"], 3)
    reset, update = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
    return (1 - update) * np.tanh(of_x[2] + reset * of_h[2]) + update * h


def reference(model: AttentiveFP, graphs) -> np.ndarray:
    """The same mathematics neighbour by neighbour in NumPy."""
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    features = graphs.bond_features.numpy()[graphs.bond_types.numpy()]
    into = [[] for _ in range(graphs.num_atoms)]
    for (one, other), row in zip(graphs.bonds.tolist(), features, strict=True):
        into[other].append((one, row))
        into[one].append((other, row))
    x = [
        leaky(state["input.weight"] @ row + state["input.bias"]) for row in graphs.features.numpy()
    ]
    nothing = np.zeros(len(x[0]))

    def weighted(scores, messages):
        if not messages:
            return nothing
        return sum(w * t for w, t in zip(softmax(scores), messages, strict=True))

    def context(name, messages, of_target):
        scores = [leaky(state[name + "of_source"] @ t + of_target) for t in messages]
        return weighted(scores, messages) + state[name + "bias"]

    after, name = [], "bond_attention."
    for atom, neighbours in zip(x, into, strict=True):
        messages = [
            leaky(state[name + "message.weight"] @ np.concatenate([x[v], row]))
            for v, row in neighbours
        ]
        scores = [
            leaky(state[name + "of_message"] @ t + state[name + "of_target"] @ atom)
            for t in messages
        ]
        if not model.bond_attention.in_messages:
            messages = [x[v] for v, _ in neighbours]
        heard = weighted(scores, messages)
        heard = state[name + "linear.weight"] @ heard + state[name + "bias"]
        after.append(np.maximum(unit(state, "unit", elu(heard), atom), 0))
    x = after
    for number in range(len(model.attentions)):
        after, name = [], f"attentions.{number}."
        mapped = [state[name + "linear.weight"] @ row for row in x]
        for w, neighbours in enumerate(into):
            messages = [mapped[v] for v, _ in neighbours]
            of_target = state[name + "of_target"] @ mapped[w]
            heard = context(name, messages, of_target)
            after.append(np.maximum(unit(state, f"units.{number}", elu(heard), x[w]), 0))
        x = after
    embeddings, name = [], "molecule_attention."
    for first, last in zip(graphs.atom_offsets[:-1], graphs.atom_offsets[1:], strict=True):
        whole = np.maximum(sum(x[first:last]), 0)
        messages = [state[name + "linear.weight"] @ row for row in x[first:last]]
        for _ in range(model.steps):
            of_target = state[name + "of_target"] @ (state[name + "linear.weight"] @ whole)
            heard = context(name, messages, of_target)
            whole = np.maximum(unit(state, "molecule_unit", elu(heard), whole), 0)
        embeddings.append(state["output.weight"] @ whole + state["output.bias"])
    return np.stack(embeddings)


@pytest.mark.parametrize(
    "options", [{}, {"bonds": "scores"}, {"layers": 1, "steps": 3, "hidden": 5, "out": 3}]
)
def test_embeddings_equal_a_plain_computation_neighbour_by_neighbour(make_batch, options):
    graphs = make_batch().to(dtype=torch.float64)
    model = made(**options).double()
    expected = reference(model, graphs)
    np.testing.assert_allclose(model(graphs).detach().numpy(), expected, rtol=1e-10, atol=1e-10)


def test_all_gradients_equal_finite_differences(make_batch):
    graphs = make_batch([0, 1, 2]).to(dtype=torch.float64)
    model = made(hidden=4, out=3).double()
    check_gradients(model, graphs)


def test_second_derivatives_are_refused_and_not_wrong(make_batch):
    model = made(hidden=4)
    check_second_derivatives(model, make_batch(), model.input.weight)


def test_one_molecule_of_one_atom(make_batch):
    check_one_atom(made(), make_batch([2]), reference)


def test_weights_of_large_scores_and_of_empty_segments_are_finite():
    scores = torch.tensor([1e4, 1e4, -1e4, 0.0], dtype=torch.float64, requires_grad=True)
    offsets, owners = torch.tensor([0, 3, 3, 4]), torch.tensor([0, 0, 0, 2])
    weights = segment_softmax(scores, offsets, owners)
    assert weights.tolist() == [0.5, 0.5, 0, 1]
    weights[0].backward()
    assert scores.grad.tolist() == [0.25, -0.25, 0, 0]


def test_gated_units_equal_torchs():
    ours, theirs = GatedUnit(5).double(), torch.nn.GRUCell(5, 5).double()
    state = ours.state_dict().values()
    theirs.load_state_dict(
        dict(zip(("weight_ih", "bias_ih", "weight_hh", "bias_hh"), state, strict=True))
    )
    x, h = torch.randn(2, 7, 5, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(ours(x, h), theirs(x, h), rtol=1e-12, atol=1e-12)
    torch.autograd.gradcheck(ours, (x, h))


# Ours to the names of PyTorch Geometric.
_NAMES = {
    "input": "lin1",
    "output": "lin2",
    "bond_attention.message.weight": "gate_conv.lin1.weight",
    "bond_attention.linear.weight": "gate_conv.lin2.weight",
    "bond_attention.of_message": "gate_conv.att_l",
    "bond_attention.of_target": "gate_conv.att_r",
    "bond_attention.bias": "gate_conv.bias",
    "unit": "gru",
    "attentions": "atom_convs",
    "units": "atom_grus",
    "molecule_attention": "mol_conv",
    "molecule_unit": "mol_gru",
    "linear": "lin",
    "of_source": "att_src",
    "of_target": "att_dst",
}


def their_name(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    name = ".".join(_NAMES.get(part, part) for part in name.split("."))
    for ours, theirs in (("of_input", "ih"), ("of_state", "hh")):
        for kind in ("weight", "bias"):
            name = name.replace(f"{ours}.{kind}", f"{kind}_{theirs}")
    return name


def with_bonds(convolution):
    """Its own functions, but that what it scores is what it sums."""
    score, message, transformed = convolution.edge_update, convolution.message, []

    def edge_update(x_j, x_i, edge_attr, index, ptr, size_i):
        both = torch.cat([x_j, edge_attr], dim=-1)
        transformed.append(torch.nn.functional.leaky_relu(convolution.lin1(both)))
        return score(x_j, x_i, edge_attr, index, ptr, size_i)

    return edge_update, lambda x_j, alpha: message(transformed.pop(), alpha)


@pytest.mark.parametrize("bonds", ["messages", "scores"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_equal_those_of_pytorch_geometric(make_batch, dtype, bonds):
    pyg = pytest.importorskip("torch_geometric")
    graphs = make_batch().to(dtype=dtype)
    edges = graphs.directed
    ours = made(bonds=bonds).to(dtype)
    theirs = pyg.nn.models.AttentiveFP(74, 64, 256, 12, 3, 2).to(dtype)
    state = theirs.state_dict()
    for name, value in ours.state_dict().items():
        state[their_name(name)] = value.reshape(state[their_name(name)].shape)
    theirs.load_state_dict(state)
    if bonds == "messages":
        theirs.gate_conv.edge_update, theirs.gate_conv.message = with_bonds(theirs.gate_conv)
    ends = torch.stack([edges.sources, edges.targets])
    described = graphs.bond_features[edges.types]
    expected = theirs(graphs.features, ends, described, graphs.graph_index)
    others = dict(theirs.named_parameters())
    pairs = [(mine, others.pop(their_name(name))) for name, mine in ours.named_parameters()]
    assert not others
    check_peer(ours(graphs), expected, pairs)
