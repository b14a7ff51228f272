from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.models._segments import graph_max, graph_sum, neighbour_sum


@pytest.fixture
def x(make_batch):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(make_batch().num_atoms, 5, generator=generator, dtype=torch.float64)
    return values.requires_grad_()


def dense_adjacency(graphs) -> torch.Tensor:
    sources, targets = graphs.edges
    adjacency = torch.zeros(graphs.num_atoms, graphs.num_atoms, dtype=torch.float64)
    adjacency[targets, sources] = 1
    return adjacency


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neighbour_sum_is_the_product_with_the_adjacency_matrix(make_batch, x, dtype):
    graphs = make_batch()
    got = neighbour_sum(x.to(dtype), graphs.neighbours, graphs.neighbour_offsets)
    assert got.dtype == dtype
    torch.testing.assert_close(got, (dense_adjacency(graphs) @ x).to(dtype))


def test_neighbour_sum_has_right_first_and_second_derivatives(make_batch, x):
    graphs = make_batch()
    inputs = (x, graphs.neighbours, graphs.neighbour_offsets)
    assert torch.autograd.gradcheck(neighbour_sum, inputs)
    assert torch.autograd.gradgradcheck(neighbour_sum, inputs)


def test_graph_sum_adds_each_graph_and_has_the_right_gradient(make_batch, x):
    graphs = make_batch()
    inputs = (x, graphs.atom_offsets, graphs.graph_index)
    parts = x.split(graphs.atom_offsets.diff().tolist())
    torch.testing.assert_close(graph_sum(*inputs), torch.stack([part.sum(0) for part in parts]))
    assert torch.autograd.gradcheck(graph_sum, inputs)


def test_graph_max_takes_each_graph_and_has_the_right_gradient(make_batch, x):
    graphs = make_batch()
    inputs = (x, graphs.graph_index, graphs.num_graphs)
    parts = x.split(graphs.atom_offsets.diff().tolist())
    torch.testing.assert_close(graph_max(*inputs), torch.stack([part.amax(0) for part in parts]))
    assert torch.autograd.gradcheck(graph_max, inputs)
    assert torch.autograd.gradgradcheck(graph_max, inputs)


def test_tied_atoms_share_the_gradient_of_a_maximum():
    x = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 3.0]], requires_grad=True)
    graph_max(x, torch.tensor([0, 0, 1]), 2).backward(torch.tensor([[1.0, -1.0], [2.0, 5.0]]))
    assert x.grad.tolist() == [[0.5, -0.5], [0.5, -0.5], [2.0, 5.0]]


def test_maxima_of_negative_values_are_not_raised_to_zero():
    assert graph_max(torch.tensor([[-2.0], [-3.0]]), torch.tensor([0, 0]), 1).item() == -2


def test_sums_and_gradients_repeat_bit_for_bit(make_batch):
    graphs = make_batch([0, 1, 2, 3, 4] * 50)
    x = torch.randn(graphs.num_atoms, 64, generator=torch.Generator().manual_seed(0))

    def run():
        leaf = x.clone().requires_grad_()
        summed = neighbour_sum(leaf, graphs.neighbours, graphs.neighbour_offsets)
        pooled = graph_sum(summed, graphs.atom_offsets, graphs.graph_index)
        pooled.square().sum().backward()
        return pooled.detach(), leaf.grad

    first, second = run(), run()
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


class _Called(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket._qualified_op_name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_maxima_are_torchs_own_bits_without_adding_out_of_order(make_batch, dtype):
    graphs = make_batch([0, 1, 2, 3, 4] * 20)
    generator = torch.Generator().manual_seed(0)
    # Few distinct values: many atoms tie.
    x = torch.randint(-3, 3, (graphs.num_atoms, 8), generator=generator).to(dtype) / 7
    grad = torch.randn(graphs.num_graphs, 8, generator=generator, dtype=dtype)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    lowest = x.new_full((graphs.num_graphs, 8), -torch.inf)
    index = graphs.graph_index[:, None].expand_as(x)
    lowest.scatter_reduce(0, index, theirs, "amax").backward(grad)
    highest = graph_max(ours, graphs.graph_index, graphs.num_graphs)
    with _Called() as called:
        highest.backward(grad)
    assert torch.equal(ours.grad, theirs.grad)
    assert not called.names & {"aten::scatter_add", "aten::scatter_add_", "aten::index_put_"}
