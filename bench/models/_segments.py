"""Sums over neighbours, sums and maxima over graphs, with their gradients.

`embedding_bag` gathers and adds in one pass without writing the gathered rows to memory. On one
core, for 3,327 atoms with 64 float32 features and 10,473 directed edges, a sum over neighbours
took 0.03 ms, a CSR matrix product 0.10 ms, `index_add_` after `index_select` 0.17 ms. It adds in
the order of the indices, so results repeat bit for bit. Its own backward pass is slow and knows
nothing of symmetry; the functions here bring theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812

from bench.data.compiled import compiled


def neighbour_sum(x: Tensor, neighbours: Tensor, offsets: Tensor) -> Tensor:
    """Sum of the neighbours' rows for each atom.

    Parameters
    ----------
    x : Tensor, shape (N, D)
    neighbours : Tensor of int64, shape (E,)
        Neighbours of atom i are ``neighbours[offsets[i]:offsets[i + 1]]``. The relation must be
        symmetric: the gradient is taken with the same lists.
    offsets : Tensor of int64, shape (N + 1,)

    Returns
    -------
    Tensor, shape (N, D)
    """
    # y = A x has the gradient A^T g, and A^T = A.
    return _ListSum.apply(x, neighbours, offsets, neighbours, offsets)


def graph_sum(x: Tensor, offsets: Tensor, graph_index: Tensor) -> Tensor:
    """Sum of the atoms' rows for each graph.

    Parameters
    ----------
    x : Tensor, shape (N, D)
        Atoms of graph g are ``x[offsets[g]:offsets[g + 1]]``.
    offsets : Tensor of int64, shape (G + 1,)
    graph_index : Tensor of int64, shape (N,)
        Graph of each atom; says the same as `offsets`.

    Returns
    -------
    Tensor, shape (G, D)
    """
    return _GraphSum.apply(x, offsets, graph_index)


def list_sum(x: Tensor, lists: Tensor, offsets: Tensor) -> Tensor:
    """Sum of the rows in each list, on the CPU, in the order of the lists.

    Parameters
    ----------
    x : Tensor, shape (S, D)
    lists : Tensor of int32, shape (A,)
        Rows of list r are ``lists[offsets[r]:offsets[r + 1]]``.
    offsets : Tensor of int, shape (R + 1,)

    Returns
    -------
    Tensor, shape (R, D)
    """
    return _AnyListSum.apply(x, lists, offsets.to(lists.dtype))


def graph_max(x: Tensor, graph_index: Tensor, num_graphs: int) -> Tensor:
    """Maximum over each graph's atoms; atoms that tie share the gradient equally.

    Symmetric atoms tie all the time, and `torch.segment_reduce` returns wrong gradients there
    (torch 2.13).

    Parameters
    ----------
    x : Tensor, shape (N, D)
    graph_index : Tensor of int64, shape (N,)
        Ascending.
    num_graphs : int
        G; each graph has at least one atom.

    Returns
    -------
    Tensor, shape (G, D)
    """
    return _GraphMax.apply(x, graph_index, num_graphs)


def gather_rows_sum(x: Tensor, lists: Tensor, offsets: Tensor) -> Tensor:
    """:func:`gather_sum` without a gradient."""
    # On a tensor that requires a gradient, embedding_bag also prepares its own backward pass.
    return F.embedding_bag(lists, x.detach(), offsets, mode="sum", include_last_offset=True)


def counting(count: int, offsets: Tensor) -> Tensor:
    """0, 1, ..., count - 1: the lists that lie between `offsets` in the order of the rows."""
    return torch.arange(count, dtype=offsets.dtype, device=offsets.device)


class _ListSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, lists: Tensor, offsets: Tensor, users: Tensor, user_offsets: Tensor
    ) -> Tensor:
        ctx.save_for_backward(lists, offsets, users, user_offsets)
        return gather_rows_sum(x, lists, offsets)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        lists, offsets, users, user_offsets = ctx.saved_tensors
        summed = _ListSum.apply(grad, users, user_offsets, lists, offsets)
        return summed, None, None, None, None


class _AnyListSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lists: Tensor, offsets: Tensor) -> Tensor:
        ctx.save_for_backward(lists, offsets)
        ctx.rows = len(x)
        return gather_rows_sum(x, lists, offsets)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        lists, offsets = ctx.saved_tensors
        arrays = grad.contiguous().numpy(), lists.numpy(), offsets.numpy()
        return torch.from_numpy(_scattered(*arrays, ctx.rows)), None, None


@compiled
def _scattered(grad: np.ndarray, lists: np.ndarray, offsets: np.ndarray, rows: int) -> np.ndarray:
    """Sum over the lists that a row stands in of what came to them, shape (rows, D)."""
    width = grad.shape[1]
    result = np.zeros((rows, width), grad.dtype)
    for number in range(len(offsets) - 1):
        given = grad[number]
        for place in range(offsets[number], offsets[number + 1]):
            to = result[lists[place]]
            for h in range(width):
                to[h] += given[h]
    return result


class _GraphSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, offsets: Tensor, graph_index: Tensor) -> Tensor:
        ctx.save_for_backward(graph_index)
        return gather_rows_sum(x, counting(len(x), offsets), offsets)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (graph_index,) = ctx.saved_tensors
        return grad.index_select(0, graph_index), None, None


class _GraphMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, graph_index: Tensor, num_graphs: int) -> Tensor:
        lowest = x.new_full((num_graphs, x.shape[1]), -torch.inf)
        highest = lowest.scatter_reduce(0, graph_index[:, None].expand_as(x), x, "amax")
        ctx.save_for_backward(x, graph_index, highest)
        return highest

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        x, graph_index, highest = ctx.saved_tensors
        # torch's own counts by scatter_add, which on a GPU sorts N x D keys to keep their order.
        is_highest = (x == highest.index_select(0, graph_index)).to(grad.dtype)
        graphs = torch.arange(len(highest) + 1, device=graph_index.device)
        offsets = torch.searchsorted(graph_index, graphs)
        shared = grad / gather_rows_sum(is_highest, counting(len(x), offsets), offsets)
        return shared.index_select(0, graph_index) * is_highest, None, None
