"""GIN on distinct environments is GIN on atoms."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.collate import GraphCollator
from bench.models._atom_norm import AtomNorm
from bench.models._segments import list_sum
from bench.models.gin import GIN, GINOptions
from tests.data.test_environments import random_graphs
from tests.models.encoders import check_second_derivatives


def encoder(features: int, layers: int = 3) -> GIN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GIN(features, GINOptions(hidden=5, layers=layers, out=4)).double()
        for name, value in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(value)
    return model


def both_ways(seed: int, numbers: list[int], change=lambda model: None, dtype=torch.float64):
    """Embeddings, gradients and buffers with and without environments."""
    graphs = random_graphs(seed)
    batch = GraphCollator(graphs.with_environments())(np.array(numbers)).to(dtype=dtype)
    assert batch.environments is not None
    seen = []
    for one in (batch, replace(batch)):
        model = copy.deepcopy(encoder(graphs.feature_count).to(dtype))
        change(model)
        embeddings = model(one)
        weights = torch.arange(embeddings.numel()).reshape(embeddings.shape).cos()
        (embeddings * weights).sum().backward()
        seen.append(
            {"embeddings": embeddings.detach()}
            | {f"gradient of {name}": value.grad for name, value in model.named_parameters()}
            | dict(model.named_buffers())
        )
    return seen


def assert_same(found, expected, tolerance=1e-10):
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=tolerance, atol=tolerance, msg=name)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 5), min_size=1, max_size=8), st.booleans())
def test_embeddings_gradients_and_running_statistics_agree(seed, numbers, train):
    # Of atoms that hardly differ, norms magnify what was rounded.
    assert_same(*both_ways(seed, numbers, lambda model: model.train(train)), tolerance=1e-8)


def test_the_way_by_environments_is_taken_with_and_without_gradients(monkeypatch):
    graphs = random_graphs(3)
    batch = GraphCollator(graphs.with_environments())(np.arange(6)).to(dtype=torch.float64)
    model, rows = encoder(graphs.feature_count), []
    ran = torch.nn.Linear.forward
    monkeypatch.setattr(
        torch.nn.Linear, "forward", lambda s, x: (rows.append(len(x)), ran(s, x))[1]
    )
    distinct = [len(level.counts) for level in batch.environments.levels]
    expected = [count for count in distinct for _ in range(2)] + [batch.num_graphs]
    assert sum(distinct) < 3 * batch.num_atoms
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            model.train(mode)(batch)
        assert rows == expected
        rows.clear()


def another_depth(model):
    del model.layers[2]


def freeze_norms(model):
    for layer in model.layers:
        layer.norm.eval()


def train_one_norm(model):
    model.eval()
    model.layers[1].norm.train()


def average_all_batches(model):
    model.layers[0].norm.momentum = None


def norm_without_statistics(model):
    model.layers[0].norm = AtomNorm(5, track_running_stats=False).double()


def norm_without_scale(model):
    model.layers[1].norm = AtomNorm(5, affine=False).double()


def norm_of_another_kind(model):
    # Over the atoms of the batch, which rows of environments are not.
    class Sums(torch.nn.Module):
        momentum, running_mean = 0.1, torch.zeros(5)

        def forward(self, x, counts=None):
            return x / x.sum(0)

    model.layers[1].norm = Sums()


@pytest.mark.parametrize("part", ["first", "second"])
def test_a_replaced_linear_layer_sees_atoms(part):
    class Centred(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x - x.mean(0))

    def change(model):
        getattr(model.layers[1], part).__class__ = Centred

    assert_same(*both_ways(8, list(range(6)), change))


def replaced_layer(model):
    class Centred(type(model.layers[1])):
        def forward(self, x, counts=None):
            return super().forward(x - x.mean(0), counts)

    model.layers[1].__class__ = Centred


@pytest.mark.parametrize(
    "change",
    [
        another_depth,
        freeze_norms,
        train_one_norm,
        average_all_batches,
        norm_without_statistics,
        norm_without_scale,
        norm_of_another_kind,
        replaced_layer,
    ],
)
def test_a_changed_encoder_computes_the_same_both_ways(change):
    assert_same(*both_ways(8, list(range(6)), change))


@pytest.mark.parametrize("part", ["layers.0", "layers.0.first", "layers.1.second", "layers.2.norm"])
def test_hooks_see_atoms(part):
    seen = []

    def hook(model):
        model.get_submodule(part).register_forward_hook(lambda _m, given, _o: seen.append(given[0]))

    both_ways(8, list(range(6)), hook)
    assert len(seen) == 2
    assert len(seen[0]) == len(seen[1])


def test_under_autocast_atoms_are_computed_one_by_one():
    graphs = random_graphs(8)
    batch = GraphCollator(graphs.with_environments())(np.arange(6))
    model = encoder(graphs.feature_count).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model(batch), model(replace(batch)))


def test_second_derivatives_are_refused_and_not_wrong():
    graphs = random_graphs(7)
    batch = GraphCollator(graphs.with_environments())(np.arange(6)).to(dtype=torch.float64)
    model = encoder(graphs.feature_count)
    check_second_derivatives(model, batch, model.layers[0].first.weight)


def test_sums_of_lists_and_their_gradients():
    x = torch.tensor([[1.0, 2], [10, 20], [100, 200]], dtype=torch.float64, requires_grad=True)
    lists = torch.tensor([2, 0, 0, 2], dtype=torch.int32)
    summed = list_sum(x, lists, torch.tensor([0, 3, 3, 4]))
    assert summed.tolist() == [[102, 204], [0, 0], [100, 200]]
    summed.backward(torch.tensor([[1.0, 2], [5, 5], [10, 20]], dtype=torch.float64))
    assert x.grad.tolist() == [[2, 4], [0, 0], [11, 22]]


def test_weighted_rows_are_normalised_as_repeated_ones():
    x = torch.randn(4, 3, dtype=torch.float64)
    counts = torch.tensor([3, 1, 2, 5])
    one, other = AtomNorm(3).double(), AtomNorm(3).double()
    found, repeated = one(x, counts), other(x.repeat_interleave(counts, 0))
    torch.testing.assert_close(found.repeat_interleave(counts, 0), repeated, rtol=1e-12, atol=1e-12)
    for name, value in one.named_buffers():
        torch.testing.assert_close(value, other.get_buffer(name), rtol=1e-12, atol=1e-12)


def test_weighted_rows_of_one_atom_are_normalised_with_the_running_statistics():
    norm = AtomNorm(3).double()
    x = torch.randn(1, 3, dtype=torch.float64)
    torch.testing.assert_close(norm(x, torch.tensor([1])), x, rtol=1e-4, atol=0)
    assert norm.num_batches_tracked == 0
