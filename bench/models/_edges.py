"""Gathers and sums over the directed edges of molecules, with gradients of their own.

Sums add in the order of the edges, so results repeat bit for bit, on a GPU, too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.data.edges import DirectedEdges
from bench.models._segments import counting, gather_rows_sum


def gather_sources(x: Tensor, edges: DirectedEdges) -> Tensor:
    """The row of each edge's source, shape (2E, D), from `x` (N, D)."""
    return _GatherSources.apply(x, edges)


def gather_targets(x: Tensor, edges: DirectedEdges) -> Tensor:
    """The row of each edge's target, shape (2E, D), from `x` (N, D)."""
    return _GatherTargets.apply(x, edges)


def sum_to_targets(messages: Tensor, edges: DirectedEdges) -> Tensor:
    """Sum of the rows of the edges into each atom, shape (N, D), from `messages` (2E, D)."""
    return _SumToTargets.apply(messages, edges)


class _GatherSources(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, edges: DirectedEdges) -> Tensor:
        ctx.edges = edges
        return x.index_select(0, edges.sources)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # The edges out of an atom are the reverse of those into it.
        return gather_rows_sum(grad.contiguous(), ctx.edges.reverse, ctx.edges.offsets), None


class _GatherTargets(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, edges: DirectedEdges) -> Tensor:
        ctx.edges = edges
        return x.index_select(0, edges.targets)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _sum(grad.contiguous(), ctx.edges), None


class _SumToTargets(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, messages: Tensor, edges: DirectedEdges) -> Tensor:
        ctx.edges = edges
        return _sum(messages, edges)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.index_select(0, ctx.edges.targets), None


def _sum(rows: Tensor, edges: DirectedEdges) -> Tensor:
    return gather_rows_sum(rows, counting(len(rows), edges.offsets), edges.offsets)
