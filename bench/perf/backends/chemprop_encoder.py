"""The encoder `dmpnn` by chemprop's own message passing."""

from __future__ import annotations

import torch
from chemprop.data import BatchMolGraph, MolGraph
from chemprop.nn import BondMessagePassing, MeanAggregation, NormAggregation, SumAggregation
from torch import Tensor, nn

from bench.data.bond_features import NUM_BOND_FEATURES
from bench.data.prepared import PreparedData
from bench.models.dmpnn import DMPNN
from bench.perf.backends.encoder_peer import EncoderPeer, edge_arrays, plain, take_over

_READ_OUTS = {"mean": MeanAggregation, "sum": SumAggregation, "norm": NormAggregation}


class ChempropDMPNN(EncoderPeer):
    """``BondMessagePassing`` on graphs of our features, put together by ``BatchMolGraph``."""

    title = "chemprop"

    @staticmethod
    def encoder_like(ours: DMPNN) -> nn.Module:
        return _DMPNN(ours)

    @staticmethod
    def graph_of(prepared: PreparedData, number: int) -> MolGraph:
        arrays = edge_arrays(prepared, number)
        return MolGraph(
            V=arrays.atoms, E=arrays.bonds, edge_index=arrays.ends, rev_edge_index=arrays.reverse
        )

    @staticmethod
    def batch_graphs(graphs: list[MolGraph]) -> BatchMolGraph:
        return BatchMolGraph(graphs)

    @staticmethod
    def cast_graph(graph: BatchMolGraph, dtype: torch.dtype) -> None:
        graph.V, graph.E = graph.V.to(dtype), graph.E.to(dtype)


class _DMPNN(nn.Module):
    def __init__(self, ours: DMPNN) -> None:
        super().__init__()
        width = ours.W_h.in_features
        self.messages = BondMessagePassing(
            ours.W_o.in_features - width, NUM_BOND_FEATURES, d_h=width, depth=ours.rounds + 1
        )
        for name in ("W_i", "W_h", "W_o"):
            take_over(getattr(self.messages, name), getattr(ours, name))
        self.read_out = _READ_OUTS[ours.read_out]()
        self.output = plain(ours.output)

    def forward(self, graph: BatchMolGraph) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        return self.output(self.read_out(self.messages(graph), graph.batch))
