"""PyTorch Geometric: `Data` objects, its collater, and message passing with a plain sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch_geometric.data import Batch, Data, InMemoryDataset
from torch_geometric.nn import SimpleConv, global_add_pool, global_max_pool
from torch_geometric.utils import from_smiles

from bench.data.prepared import PreparedData
from bench.perf.backends.stack import Stack


class PyGStack(Stack):
    """Graphs of our features kept in memory, put together as PyG's ``DataLoader`` does.

    `featurise` is PyG's own ``from_smiles``, which makes other features, nine numbers an atom and
    three a bond: a reference only.
    """

    title = "PyG"

    @staticmethod
    def featurise(smiles: Sequence[str]) -> list[Data]:
        return [from_smiles(text) for text in smiles]

    @staticmethod
    def encoder(widths: Sequence[int], out: int) -> nn.Module:
        return _Encoder(widths, out)

    @staticmethod
    def graph_of(prepared: PreparedData, number: int) -> Data:
        graphs = prepared.graphs
        atoms = slice(*graphs.atom_offsets[number : number + 2])
        bonds = graphs.bonds[slice(*graphs.bond_offsets[number : number + 2])].astype(np.int64).T
        x = graphs.atom_features[graphs.atom_types[atoms]]
        loops = np.tile(np.arange(len(x)), (2, 1))
        edges = np.concatenate([bonds, bonds[::-1], loops], axis=1)
        return Data(x=torch.from_numpy(x), edge_index=torch.from_numpy(edges))

    @staticmethod
    def batch_graphs(graphs: list[Data]) -> Batch:
        return Batch.from_data_list(graphs)

    @staticmethod
    def cast_graph(graph: Batch, dtype: torch.dtype) -> None:
        graph.x = graph.x.to(dtype)

    def save_and_opener(self, folder: Path) -> Callable[[], Any]:
        path = folder / "graphs.pt"
        # All graphs in one, as PyG's own in-memory data sets are stored.
        torch.save(InMemoryDataset.collate(list(self._graphs.values())), path)
        # Written a line above; graph objects are no plain weights.
        return partial(torch.load, path, weights_only=False)


class _Encoder(nn.Module):
    def __init__(self, widths: Sequence[int], out: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(*pair) for pair in pairwise(widths))
        self.gate = nn.Linear(widths[-1], 1)
        self.output = nn.Linear(2 * widths[-1], out)

    def forward(self, graph: Batch) -> Tensor:
        x = graph.x
        for layer in self.layers:
            x = layer(x, graph.edge_index)
        gated = global_add_pool(torch.sigmoid(self.gate(x)) * x, graph.batch, graph.num_graphs)
        highest = global_max_pool(x, graph.batch, graph.num_graphs)
        return self.output(torch.cat([gated, highest], dim=1))


class _Layer(nn.Module):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.convolution = _SumConvolution(in_features, out_features)
        self.residual = nn.Linear(in_features, out_features)
        self.norm = nn.BatchNorm1d(out_features)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.norm(F.relu(self.convolution(x, edge_index)) + F.relu(self.residual(x)))


class _SumConvolution(nn.Module):
    """Sum over neighbours and self of x W, + b; W first, as PyG's own convolutions do."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.propagation = SimpleConv(aggr="sum")

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.propagation(x @ self.weight, edge_index) + self.bias
