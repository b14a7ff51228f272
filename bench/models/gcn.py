"""The benchmark's graph encoder on plain torch."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import GraphBatch
from bench.models._segments import graph_max, graph_sum, neighbour_sum
from bench.options import Options


class GCNOptions(Options):
    """Shape of the encoder."""

    hidden: int = Field(64, ge=1, le=4096, description="features of an atom after each layer")
    layers: int = Field(3, ge=1, le=32, description="rounds of message passing")
    out: int = Field(256, ge=1, le=4096, description="length of a molecule's embedding")


@register_backbone(
    "gcn",
    title="GCN",
    reference="ImDrug (2022, arXiv 2209.07921), DGL_GCN of DeepPurpose (2020, arXiv 2004.08919)",
)
class GCN(MoleculeBackbone):
    """Graph convolutions with plain sums, a residual branch, and a gated-sum and maximum read-out.

    Not Kipf and Welling's normalised convolution: ImDrug's encoder adds neighbours without
    weights. Atoms' embeddings are read out as [sum of sigmoid-gated atoms, maximum], then one
    linear layer.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : GCNOptions
    """

    options_type = GCNOptions

    def __init__(self, num_features: int, options: GCNOptions) -> None:
        super().__init__(num_features, options)
        widths = [num_features] + [options.hidden] * options.layers
        self.layers = nn.ModuleList(GraphLayer(*pair) for pair in pairwise(widths))
        self.gate = nn.Linear(options.hidden, 1)
        self.output = nn.Linear(2 * options.hidden, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        x = graphs.features
        for layer in self.layers:
            x = layer(x, graphs)
        graph_index = graphs.graph_index
        gated = graph_sum(torch.sigmoid(self.gate(x)) * x, graphs.atom_offsets, graph_index)
        highest = graph_max(x, graph_index, graphs.num_graphs)
        return self.output(torch.cat([gated, highest], dim=1))


class GraphLayer(nn.Module):
    """BatchNorm(ReLU(sum over neighbours and self of x W, + b) + ReLU(x V + c))."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.convolution = SumConvolution(in_features, out_features)
        self.residual = nn.Linear(in_features, out_features)
        self.norm = AtomNorm(out_features)

    def forward(self, x: Tensor, graphs: GraphBatch) -> Tensor:
        """New atom features, shape (N, out_features), from `x` (N, in_features)."""
        return self.norm(F.relu(self.convolution(x, graphs)) + F.relu(self.residual(x)))


class SumConvolution(nn.Module):
    """Sum over neighbours and self of x W, + b; W starts Xavier uniform, b at zero."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor, graphs: GraphBatch) -> Tensor:
        """Shape (N, out_features), from `x` (N, in_features)."""
        summed = neighbour_sum(x @ self.weight, graphs.neighbours, graphs.neighbour_offsets)
        return summed + self.bias


class AtomNorm(nn.BatchNorm1d):
    """Batch normalisation over all atoms of a batch.

    A training batch of one single atom has no variance; it is normalised with the running
    statistics and leaves them as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalised features, shape (N, D)."""
        if self.training and len(x) == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)
