"""Attention over neighbours and bonds, as GATv2 has it, on plain torch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import GraphBatch
from bench.data.bond_features import NUM_BOND_FEATURES
from bench.data.edges import DirectedEdges
from bench.models._atom_norm import AtomNorm
from bench.models._edges import gather_sources, gather_targets, sum_to_targets
from bench.models._linear import Linear
from bench.models._segments import counting, gather_rows_sum, graph_sum
from bench.options import Options

_SLOPE = 0.2


class GATOptions(Options):
    """Shape of the encoder."""

    hidden: int = Field(64, ge=1, le=4096, description="features of an atom, of all heads together")
    heads: int = Field(4, ge=1, le=64, description="attentions side by side; they divide `hidden`")
    layers: int = Field(3, ge=1, le=32, description="rounds of message passing")
    out: int = Field(256, ge=1, le=4096, description="length of a molecule's embedding")

    @model_validator(mode="after")
    def _heads_are_equally_wide(self) -> GATOptions:
        if self.hidden % self.heads:
            raise ValueError(
                f"expected hidden to be a multiple of heads, but got {self.hidden} and {self.heads}"
            )
        return self


@register_backbone("gat", title="GAT", reference="GATv2: Brody et al. (2022, arXiv 2105.14491)")
class GAT(MoleculeBackbone):
    """Sums over neighbours and self, weighted by what both ends and their bond look like.

    Of each head, the score of u for v is ``a . LeakyReLU(W x_u + W' x_v + b + W'' e_uv)``, where a
    bond of an atom to itself has features of 0; the weights are a softmax of the scores of v's
    neighbours and of v; the sum is of ``W x_u``. Heads stand side by side, then come batch
    normalisation and ELU. The sum of a molecule's atoms goes through one linear layer.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : GATOptions

    References
    ----------
    Brody et al., "How attentive are graph attention networks?", ICLR 2022, arXiv 2105.14491,
    equation 7, with bond features as PyTorch Geometric's ``GATv2Conv`` adds them.
    """

    options_type = GATOptions

    def __init__(self, num_features: int, options: GATOptions) -> None:
        super().__init__(num_features, options)
        widths = [num_features] + [options.hidden] * options.layers
        self.layers = nn.ModuleList(Attention(*pair, options.heads) for pair in pairwise(widths))
        self.norms = nn.ModuleList(AtomNorm(options.hidden) for _ in self.layers)
        self.output = Linear(options.hidden, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        x, edges = graphs.features, graphs.directed
        bonds = graphs.bond_features.index_select(0, edges.types)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.elu_(norm(layer(x, bonds, edges)))
        return self.output(graph_sum(x, graphs.atom_offsets, graphs.graph_index))


class Attention(nn.Module):
    """One round; there are no biases that the normalisation after it would take away."""

    def __init__(self, in_features: int, out_features: int, heads: int) -> None:
        super().__init__()
        # Torch's own products, as in :class:`bench.models.gin.Update`.
        self.source = nn.Linear(in_features, out_features, bias=False)
        self.target = nn.Linear(in_features, out_features)
        self.bond = nn.Linear(NUM_BOND_FEATURES, out_features, bias=False)
        self.score = nn.Parameter(torch.empty(heads, out_features // heads))
        for weight in (self.source.weight, self.target.weight, self.bond.weight, self.score):
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.target.bias)

    def forward(self, x: Tensor, bonds: Tensor, edges: DirectedEdges) -> Tensor:
        """New features of atoms.

        Parameters
        ----------
        x : Tensor, shape (N, in_features)
        bonds : Tensor, shape (2E, 12)
            Features of the edges.
        edges : DirectedEdges

        Returns
        -------
        Tensor, shape (N, out_features)
        """
        own, targets = self.source(x), self.target(x)
        sources = gather_sources(own, edges)
        both = self.bond(bonds).add_(sources).add_(gather_targets(targets, edges))
        weights, own_weights = softmax_with_own(
            self._scores(both), self._scores(own + targets), edges
        )
        return sum_to_targets(self._weighted(sources, weights), edges) + self._weighted(
            own, own_weights
        )

    def _scores(self, both: Tensor) -> Tensor:
        """By head, shape (R, heads)."""
        heads = F.leaky_relu_(both, _SLOPE).view(-1, *self.score.shape)
        return (heads * self.score).sum(2)

    def _weighted(self, rows: Tensor, weights: Tensor) -> Tensor:
        heads = rows.view(-1, *self.score.shape) * weights[:, :, None]
        return heads.view(rows.shape)


def softmax_with_own(scores: Tensor, own: Tensor, edges: DirectedEdges) -> tuple[Tensor, Tensor]:
    """Softmax over the edges into each atom and the atom itself, for each head.

    Parameters
    ----------
    scores : Tensor, shape (2E, heads)
    own : Tensor, shape (N, heads)
    edges : DirectedEdges

    Returns
    -------
    tuple of Tensor
        Weights of the edges (2E, heads) and of the atoms themselves (N, heads).
    """
    return _SoftmaxWithOwn.apply(scores, own, edges)


class _SoftmaxWithOwn(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, own: Tensor, edges: DirectedEdges
    ) -> tuple[Tensor, Tensor]:
        index = edges.targets[:, None].expand_as(scores)
        highest = own.scatter_reduce(0, index, scores, "amax")
        weights = (scores - highest.index_select(0, edges.targets)).exp_()
        own_weights = (own - highest).exp_()
        total = own_weights + _sum(weights, edges)
        weights /= total.index_select(0, edges.targets)
        own_weights /= total
        ctx.edges = edges
        ctx.save_for_backward(weights, own_weights)
        return weights, own_weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_own: Tensor) -> tuple[Tensor, Tensor, None]:
        weights, own_weights = ctx.saved_tensors
        of_edges, of_own = weights * grad, own_weights * grad_own
        sums = of_own + _sum(of_edges, ctx.edges)
        of_edges -= weights * sums.index_select(0, ctx.edges.targets)
        return of_edges, of_own - own_weights * sums, None


def _sum(rows: Tensor, edges: DirectedEdges) -> Tensor:
    return gather_rows_sum(rows, counting(len(rows), edges.offsets), edges.offsets)
