"""The encoder on distinct environments is the encoder on atoms."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.modules.module import register_module_forward_hook

from bench.data.collate import GraphCollator, compress
from bench.data.packed import PackedGraphs
from bench.models._atom_norm import AtomNorm
from bench.models.gcn import GCN, GCNOptions
from tests.bonds import FEATURES, types_of
from tests.data.test_environments import random_graphs


def encoder(features: int, layers: int = 3) -> GCN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GCN(features, GCNOptions(hidden=5, layers=layers, out=4)).double()
        # With shifts of 0, an atom that is bonded to all others receives the sum of normalised
        # features, which is 0: right at the kink of the ReLU, where rounding decides.
        for name, value in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(value)
        return model


def both_ways(graphs: PackedGraphs, numbers: list[int], *, layers: int = 3, train: bool = True):
    """Embeddings, gradients and buffers with and without environments."""
    batch = GraphCollator(graphs.with_environments())(np.array(numbers)).to(dtype=torch.float64)
    assert batch.environments is not None
    plain = replace(batch)
    assert plain.environments is None
    model = encoder(graphs.feature_count, layers).train(train)
    seen = []
    for given_batch in (batch, plain):
        one = copy.deepcopy(model)
        embeddings = one(given_batch)
        weights = torch.arange(embeddings.numel()).reshape(embeddings.shape).cos()
        (embeddings * weights).sum().backward()
        seen.append(
            {"embeddings": embeddings.detach()}
            | {f"gradient of {name}": value.grad for name, value in one.named_parameters()}
            | dict(one.named_buffers())
        )
    return seen


def assert_same(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float = 1e-10
) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=tolerance, atol=tolerance, msg=name)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 5), min_size=1, max_size=8), st.booleans())
def test_embeddings_gradients_and_running_statistics_agree(seed, numbers, train):
    # Of atoms that hardly differ, norms magnify what was rounded: 1e-9 was seen.
    assert_same(*both_ways(random_graphs(seed), numbers, train=train), tolerance=1e-8)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_evaluation_without_gradients_agrees_and_takes_the_way_by_environments(seed, numbers):
    graphs = random_graphs(seed)
    batch = GraphCollator(graphs.with_environments())(np.array(numbers)).to(dtype=torch.float64)
    model = encoder(graphs.feature_count)
    model(batch)  # running statistics that are not 0 and 1
    model.eval()
    read, calls = model._read_environments, []
    model._read_environments = lambda *given: calls.append(1) or read(*given)
    with torch.no_grad():
        found, expected = model(batch), model(replace(batch))
    assert len(calls) == 1
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_with_another_number_of_layers_than_hops_known_they_agree_too(layers):
    assert_same(*both_ways(random_graphs(0), [0, 3, 3, 5], layers=layers))


def test_a_batch_of_a_single_atom_is_normalised_by_the_running_statistics():
    graphs = PackedGraphs(
        atom_features=np.eye(2, dtype=np.float32),
        atom_types=np.array([1], np.int32),
        atom_offsets=np.array([0, 1]),
        bonds=np.empty((0, 2), np.int32),
        bond_offsets=np.array([0, 0]),
        bond_features=FEATURES,
        bond_types=types_of(0),
    )
    found, expected = both_ways(graphs, [0])
    assert_same(found, expected)
    assert (found["layers.0.norm.running_mean"] == 0).all()


def test_one_environment_of_many_atoms_has_a_variance_of_zero_not_none():
    # Two atoms of one type in one graph, which is in the batch twice.
    graphs = PackedGraphs(
        atom_features=np.eye(2, dtype=np.float32),
        atom_types=np.array([1, 1], np.int32),
        atom_offsets=np.array([0, 2]),
        bonds=np.array([[0, 1]], np.int32),
        bond_offsets=np.array([0, 1]),
        bond_features=FEATURES,
        bond_types=types_of(1),
    )
    found, expected = both_ways(graphs, [0, 0])
    # Dividing by a standard deviation of 0 + epsilon, three times, magnifies rounding 10^7 times.
    assert_same(found, expected, tolerance=1e-6)
    assert (found["layers.0.norm.running_var"] < 1).all()


def test_an_edited_graph_loses_its_environments_and_so_does_one_that_leaves_the_cpu():
    graphs = random_graphs(4)
    batch = GraphCollator(graphs.with_environments())(np.arange(6))
    edited = replace(batch, bonds=batch.bonds[1:], bond_types=batch.bond_types[1:])
    assert edited.environments is None
    assert batch.to("cpu", torch.float64).environments is not None
    assert batch.to("meta").environments is None


def test_edited_and_unedited_graphs_can_stand_in_one_step():
    batch = GraphCollator(random_graphs(5).with_environments())(np.arange(6))
    batch = batch.to(dtype=torch.float64)
    model = encoder(3).train()
    (model(replace(batch)).sum() + model(batch).sum()).backward()
    assert all(value.grad is not None for value in model.parameters())


def test_environments_found_in_an_edited_batch_change_nothing():
    graphs = random_graphs(6).with_environments()
    batch = GraphCollator(graphs)(np.arange(6)).to(dtype=torch.float64)
    edited = replace(batch, bonds=batch.bonds[::2], bond_types=batch.bond_types[::2])
    found = compress(edited)
    assert found.environments is not None
    model = encoder(3)
    torch.testing.assert_close(model(found), model(edited), rtol=1e-10, atol=1e-10)


def test_second_derivatives_are_refused_not_wrong():
    batch = GraphCollator(random_graphs(7).with_environments())(np.arange(6))
    model = encoder(3).train()
    embeddings = model(batch.to(dtype=torch.float64))
    weight = model.layers[0].convolution.weight
    (first,) = torch.autograd.grad(embeddings.square().sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        first.sum().backward()


def changed(change) -> tuple[torch.Tensor, torch.Tensor, GCN, GCN]:
    """Embeddings by environment and by atom of equal encoders after `change`."""
    batch = GraphCollator(random_graphs(8).with_environments())(np.arange(6))
    batch = batch.to(dtype=torch.float64)
    one, other = encoder(3), encoder(3)
    change(one)
    change(other)
    return one(batch), other(replace(batch)), one, other


def freeze_norms(model: GCN) -> None:
    model.train()
    for layer in model.layers:
        layer.norm.eval()


def train_norms_alone(model: GCN) -> None:
    model.eval()
    model.layers[1].norm.train()


def average_all_batches(model: GCN) -> None:
    model.train().layers[0].norm.momentum = None


def wrap_residual(model: GCN) -> None:
    class Doubled(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.weight, self.bias = inner, inner.weight, inner.bias

        def forward(self, x):
            return 2 * self.inner(x)

    model.train().layers[1].residual = Doubled(model.layers[1].residual)


def replace_norm(model: GCN) -> None:
    model.train().layers[2].norm = torch.nn.LayerNorm(5).double()


def wrap_gate(model: GCN) -> None:
    class Doubled(torch.nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    model.train().gate.__class__ = Doubled


def take_bias_of_gate(model: GCN) -> None:
    model.train().gate.register_parameter("bias", None)


def take_bias_of_residual(model: GCN) -> None:
    model.train().layers[1].residual.register_parameter("bias", None)


def norm_without_scale(model: GCN) -> None:
    model.train().layers[1].norm = AtomNorm(5, affine=False).double()


@pytest.mark.parametrize(
    "change",
    [
        wrap_gate,
        take_bias_of_gate,
        take_bias_of_residual,
        norm_without_scale,
        freeze_norms,
        train_norms_alone,
        average_all_batches,
        wrap_residual,
        replace_norm,
    ],
)
def test_a_changed_encoder_computes_the_same_both_ways(change):
    found, expected, one, other = changed(change)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-10, atol=1e-10)


def train_gate_alone(model: GCN) -> None:
    model.eval().layers.requires_grad_(False)


def freeze(model: GCN) -> None:
    model.eval().requires_grad_(False)
    model.output.requires_grad_()


@pytest.mark.parametrize("change", [take_bias_of_gate, train_gate_alone, freeze])
def test_a_changed_encoder_has_the_same_gradients_both_ways(change):
    found, expected, one, other = changed(change)
    for embeddings in (found, expected):
        embeddings.square().sum().backward()
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert (mine.grad is None) == (theirs.grad is None) == (not mine.requires_grad)
        if mine.grad is not None:
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("change", [take_bias_of_gate, take_bias_of_residual, norm_without_scale])
def test_parts_without_bias_or_scale_are_evaluated_too(change):
    with torch.no_grad():
        found, expected, _, _ = changed(lambda model: (change(model), model.eval()))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("change", [take_bias_of_gate, freeze_norms, train_norms_alone])
def test_a_changed_encoder_computes_the_same_without_gradients(change):
    with torch.no_grad():
        found, expected, one, other = changed(change)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-10, atol=1e-10)


def test_hooks_on_all_modules_are_called():
    batch = GraphCollator(random_graphs(8).with_environments())(np.arange(6))
    model, seen = encoder(3), []
    handle = register_module_forward_hook(lambda module, *_: seen.append(module))
    try:
        model(batch.to(dtype=torch.float64))
    finally:
        handle.remove()
    assert {model.gate, model.output, *model.layers} <= set(seen)


@pytest.mark.parametrize("part", ["layers.0.norm", "gate"])
def test_hooks_are_called(part):
    calls = []

    def hook(model):
        model.train().get_submodule(part).register_forward_hook(lambda *_: calls.append(1))

    found, expected, _, _ = changed(hook)
    assert len(calls) == 2
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_under_autocast_atoms_are_computed_one_by_one():
    batch = GraphCollator(random_graphs(8).with_environments())(np.arange(6))
    model = encoder(3).float().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model(batch), model(replace(batch)))


def test_writing_to_a_batch_drops_its_environments():
    batch = GraphCollator(random_graphs(8).with_environments())(np.arange(6))
    assert batch.environments is not None
    batch.atom_types[::2] = 0
    assert batch.environments is None
    assert batch.to(dtype=torch.float64).environments is None


def test_threads_can_share_a_collator_and_it_can_be_pickled():
    collator = GraphCollator(random_graphs(9, count=40).with_environments())
    numbers = np.random.default_rng(0).integers(0, 40, (200, 8))
    expected = [collator(row).environments for row in numbers]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(pickle.loads(pickle.dumps(collator)), numbers))
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.environments.rows, other.rows)
        assert torch.equal(one.environments.levels[-1].neighbours, other.levels[-1].neighbours)
