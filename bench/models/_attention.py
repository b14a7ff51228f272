"""Weights of a softmax over segments, weighted sums, and values repeated, with own gradients.

All add in the order of the rows, so results repeat bit for bit, on a GPU, too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812

from bench.data.edges import DirectedEdges
from bench.models._segments import counting, gather_rows_sum


def sum_of_sources(x: Tensor, weights: Tensor, edges: DirectedEdges) -> Tensor:
    """Sum over the edges into each atom of weight times the source's row.

    Gathered, weighted and added in one pass.

    Parameters
    ----------
    x : Tensor, shape (N, D)
    weights : Tensor, shape (2E,)

    Returns
    -------
    Tensor, shape (N, D)
    """
    return _SumOfSources.apply(x, weights, edges)


def segment_softmax(scores: Tensor, offsets: Tensor, owners: Tensor) -> Tensor:
    """Softmax over each segment of a vector.

    Parameters
    ----------
    scores : Tensor, shape (R,)
        Those of segment s are ``scores[offsets[s]:offsets[s + 1]]``; a segment may be empty.
    offsets : Tensor of int64, shape (S + 1,)
    owners : Tensor of int64, shape (R,)
        Segment of each; says the same as `offsets`.

    Returns
    -------
    Tensor, shape (R,)
    """
    return _SegmentSoftmax.apply(scores, offsets, owners)


def repeat_values(x: Tensor, offsets: Tensor, owners: Tensor) -> Tensor:
    """The value of its segment for each member, shape (R,), from `x` (S,)."""
    return _RepeatValues.apply(x, offsets, owners)


class _RepeatValues(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, offsets: Tensor, owners: Tensor) -> Tensor:
        ctx.save_for_backward(offsets)
        return x.index_select(0, owners)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (offsets,) = ctx.saved_tensors
        return _segment_sum(grad, offsets), None, None


class _SumOfSources(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, edges: DirectedEdges) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(x, weights)
        return _weighted_sum(x, weights, edges)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weights = ctx.saved_tensors
        edges, grad = ctx.edges, grad.contiguous()
        sources, targets = edges.sources, edges.targets
        of_weights = (x.index_select(0, sources) * grad.index_select(0, targets)).sum(1)
        return _weighted_sum(grad, weights.index_select(0, edges.reverse), edges), of_weights, None


class _SegmentSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, offsets: Tensor, owners: Tensor) -> Tensor:
        lowest = scores.new_full((len(offsets) - 1,), -torch.inf)
        highest = lowest.scatter_reduce(0, owners, scores, "amax")
        shares = (scores - highest.index_select(0, owners)).exp_()
        shares /= _segment_sum(shares, offsets).index_select(0, owners)
        ctx.save_for_backward(shares, offsets, owners)
        return shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        shares, offsets, owners = ctx.saved_tensors
        weighted = shares * grad
        sums = _segment_sum(weighted, offsets)
        return weighted - shares * sums.index_select(0, owners), None, None


def _weighted_sum(x: Tensor, weights: Tensor, edges: DirectedEdges) -> Tensor:
    return F.embedding_bag(
        edges.sources,
        x.detach(),
        edges.offsets,
        mode="sum",
        per_sample_weights=weights.detach(),
        include_last_offset=True,
    )


def _segment_sum(values: Tensor, offsets: Tensor) -> Tensor:
    return gather_rows_sum(values[:, None], counting(len(values), offsets), offsets)[:, 0]
