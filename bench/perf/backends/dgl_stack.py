"""dgllife's graphs, `dgl.batch` and DGL's convolution: the route of the published benchmarks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.data.molecules import parse
from bench.data.prepared import PreparedData
from bench.models.gcn_dgl import DGLLayer
from bench.perf.backends.stack import Stack

# Without it, the import of dgl prints a notice and writes ~/.dgl/config.json.
os.environ.setdefault("DGLBACKEND", "pytorch")
import dgl
from dgllife.utils import CanonicalAtomFeaturizer, mol_to_bigraph, smiles_to_bigraph

_ATOMS = CanonicalAtomFeaturizer(atom_data_field="x")


class DGLStack(Stack):
    """Graphs made once by dgllife and kept in memory, put together by the collate function.

    ImDrug also computes bond features, which its encoder does not read; they are left out here.
    """

    title = "dgllife + DGL"

    @staticmethod
    def featurise(smiles: Sequence[str]) -> list[dgl.DGLGraph]:
        return [
            smiles_to_bigraph(
                text, add_self_loop=True, node_featurizer=_ATOMS, canonical_atom_order=False
            )
            for text in smiles
        ]

    @staticmethod
    def encoder(widths: Sequence[int], out: int) -> nn.Module:
        return _Encoder(widths, out)

    @staticmethod
    def graph_of(prepared: PreparedData, number: int) -> dgl.DGLGraph:
        # From our molecule, as RDKit's own reading of the SMILES fails for a few.
        mol = parse(prepared.smiles[number]).mol
        return mol_to_bigraph(mol, add_self_loop=True, node_featurizer=_ATOMS)

    @staticmethod
    def batch_graphs(graphs: list[dgl.DGLGraph]) -> dgl.DGLGraph:
        return dgl.batch(graphs)

    @staticmethod
    def cast_graph(graph: dgl.DGLGraph, dtype: torch.dtype) -> None:
        graph.ndata["x"] = graph.ndata["x"].to(dtype)

    def save_and_opener(self, folder: Path) -> Callable[[], Any]:
        path = str(folder / "graphs.bin")
        dgl.save_graphs(path, list(self._graphs.values()))
        return partial(dgl.load_graphs, path)


class _Encoder(nn.Module):
    def __init__(self, widths: Sequence[int], out: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DGLLayer(*pair) for pair in pairwise(widths))
        self.gate = nn.Linear(widths[-1], 1)
        self.output = nn.Linear(2 * widths[-1], out)

    def forward(self, graph: dgl.DGLGraph) -> Tensor:
        x = graph.ndata["x"]
        for layer in self.layers:
            x = layer(graph, x)
        with graph.local_scope():
            graph.ndata["x"] = x
            graph.ndata["gate"] = torch.sigmoid(self.gate(x))
            gated, highest = dgl.sum_nodes(graph, "x", "gate"), dgl.max_nodes(graph, "x")
        return self.output(torch.cat([gated, highest], dim=1))
