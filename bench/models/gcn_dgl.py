"""The same encoder as `gcn`, computed by DGL: the reference route of the published benchmarks."""

from __future__ import annotations

import os
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import GraphBatch
from bench.models._atom_norm import AtomNorm
from bench.models.gcn import GCNOptions

# Without it, the import of dgl prints a notice and writes ~/.dgl/config.json.
os.environ.setdefault("DGLBACKEND", "pytorch")
import dgl
from dgl.nn.pytorch import GraphConv


@register_backbone(
    "gcn_dgl",
    title="GCN (DGL)",
    reference="as gcn; DGL (2019, arXiv 1909.01315)",
)
class GCNOnDGL(MoleculeBackbone):
    """`gcn` with DGL's convolution and read-out; parameters have the same names and shapes.

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
        self.layers = nn.ModuleList(DGLLayer(*pair) for pair in pairwise(widths))
        self.gate = nn.Linear(options.hidden, 1)
        self.output = nn.Linear(2 * options.hidden, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        graph = to_dgl(graphs)
        x = graphs.features
        for layer in self.layers:
            x = layer(graph, x)
        graph.ndata["x"] = x
        graph.ndata["gate"] = torch.sigmoid(self.gate(x))
        gated, highest = dgl.sum_nodes(graph, "x", "gate"), dgl.max_nodes(graph, "x")
        return self.output(torch.cat([gated, highest], dim=1))


class DGLLayer(nn.Module):
    """BatchNorm(ReLU(GraphConv(x)) + ReLU(x V + c))."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.convolution = GraphConv(in_features, out_features, norm="none")
        self.residual = nn.Linear(in_features, out_features)
        self.norm = AtomNorm(out_features)

    def forward(self, graph: dgl.DGLGraph, x: Tensor) -> Tensor:
        """New atom features, shape (N, out_features), from `x` (N, in_features)."""
        return self.norm(F.relu(self.convolution(graph, x)) + F.relu(self.residual(x)))


def to_dgl(graphs: GraphBatch) -> dgl.DGLGraph:
    """The batch as one DGL graph that knows where each molecule begins."""
    graph = dgl.graph(graphs.edges, num_nodes=graphs.num_atoms)
    graph.set_batch_num_nodes(graphs.atom_offsets.diff())
    return graph
