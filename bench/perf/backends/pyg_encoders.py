"""Encoders on PyTorch Geometric's own layers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GATv2Conv, GINConv, GINEConv, global_add_pool
from torch_geometric.nn.dense import Linear
from torch_geometric.nn.models import AttentiveFP as TheirAttentiveFP

from bench.data.bond_features import NUM_BOND_FEATURES
from bench.data.prepared import PreparedData
from bench.models.attentivefp import AttentiveFP
from bench.models.gat import GAT
from bench.models.gin import GIN, GINE
from bench.perf.backends.encoder_peer import EncoderPeer, edge_arrays, plain, take_over
from bench.perf.backends.pyg_stack import PyGStack


class PyGEncoder(EncoderPeer):
    """Graphs kept in memory, put together as PyG's ``DataLoader`` does."""

    title = PyGStack.title

    @staticmethod
    def graph_of(prepared: PreparedData, number: int) -> Data:
        arrays = edge_arrays(prepared, number)
        return Data(
            x=torch.from_numpy(arrays.atoms),
            edge_index=torch.from_numpy(arrays.ends),
            edge_attr=torch.from_numpy(arrays.bonds),
        )

    @staticmethod
    def batch_graphs(graphs: list[Data]) -> Batch:
        return Batch.from_data_list(graphs)

    @staticmethod
    def cast_graph(graph: Batch, dtype: torch.dtype) -> None:
        graph.x, graph.edge_attr = graph.x.to(dtype), graph.edge_attr.to(dtype)


class PyGGIN(PyGEncoder):
    """``GINConv`` and ``BatchNorm1d``."""

    @staticmethod
    def encoder_like(ours: GIN) -> nn.Module:
        return _GIN(ours)


class PyGGINE(PyGEncoder):
    """``GINEConv`` and ``BatchNorm1d``."""

    @staticmethod
    def encoder_like(ours: GINE) -> nn.Module:
        return _GINE(ours)


class PyGGAT(PyGEncoder):
    """``GATv2Conv`` and ``BatchNorm1d``."""

    @staticmethod
    def encoder_like(ours: GAT) -> nn.Module:
        return _GAT(ours)


class PyGAttentiveFP(PyGEncoder):
    """``AttentiveFP``, whose bonds change scores alone."""

    @staticmethod
    def encoder_like(ours: AttentiveFP) -> nn.Module:
        return _AttentiveFP(ours)


class _Layers(nn.Module):
    """Convolutions, each with batch normalisation; then the sum of a molecule's atoms."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.output = plain(ours.output)

    def forward(self, graph: Batch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        x = self.atoms(graph.x, graph.edge_index, graph.edge_attr)
        return self.output(global_add_pool(x, graph.batch, graph.num_graphs))

    @abstractmethod
    def atoms(self, x: Tensor, ends: Tensor, bonds: Tensor) -> Tensor:
        """Features of the atoms after the last layer, shape (N, hidden)."""


class _GIN(_Layers):
    def __init__(self, ours: Any) -> None:
        super().__init__(ours)
        self.convolutions = nn.ModuleList(GINConv(_perceptron(layer)) for layer in ours.layers)
        self.norms = _norms(layer.norm for layer in ours.layers)
        _take_over_perceptrons(self.convolutions, ours)

    def atoms(self, x: Tensor, ends: Tensor, bonds: Tensor) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = norm(convolution(x, ends)).relu()
        return x


class _GINE(_Layers):
    def __init__(self, ours: Any) -> None:
        super().__init__(ours)
        self.input = plain(ours.input)
        self.convolutions = nn.ModuleList(
            GINEConv(_perceptron(layer), edge_dim=NUM_BOND_FEATURES) for layer in ours.layers
        )
        for convolution, bonds in zip(self.convolutions, ours.bonds, strict=True):
            convolution.lin = plain(bonds)  # in place of theirs, which has a bias
        self.norms = _norms(layer.norm for layer in ours.layers)
        _take_over_perceptrons(self.convolutions, ours)

    def atoms(self, x: Tensor, ends: Tensor, bonds: Tensor) -> Tensor:
        x = self.input(x)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = norm(convolution(x, ends, bonds)).relu()
        return x


class _GAT(_Layers):
    def __init__(self, ours: Any) -> None:
        super().__init__(ours)
        self.convolutions = nn.ModuleList()
        for layer in ours.layers:
            heads, width = layer.score.shape
            convolution = GATv2Conv(
                layer.source.in_features,
                width,
                heads,
                edge_dim=NUM_BOND_FEATURES,
                fill_value=0.0,
                bias=False,
            )
            # Ours has a bias for one end: that of the sum of both.
            convolution.lin_r = Linear(layer.target.in_features, heads * width)
            take_over(convolution.lin_l, layer.source)
            take_over(convolution.lin_r, layer.target)
            take_over(convolution.lin_edge, layer.bond)
            _copy(convolution.att, layer.score)
            self.convolutions.append(convolution)
        self.norms = _norms(ours.norms)

    def atoms(self, x: Tensor, ends: Tensor, bonds: Tensor) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.elu(norm(convolution(x, ends, bonds)))
        return x


class _AttentiveFP(nn.Module):
    def __init__(self, ours: Any) -> None:
        super().__init__()
        theirs = TheirAttentiveFP(
            in_channels=ours.input.in_features,
            hidden_channels=ours.input.out_features,
            out_channels=ours.out_features,
            edge_dim=NUM_BOND_FEATURES,
            num_layers=1 + len(ours.attentions),
            num_timesteps=ours.steps,
        )
        take_over(theirs.lin1, ours.input)
        take_over(theirs.lin2, ours.output)
        take_over(theirs.gate_conv.lin1, ours.bond_attention.message)
        take_over(theirs.gate_conv.lin2, ours.bond_attention.linear)
        _copy(theirs.gate_conv.att_l, ours.bond_attention.of_message)
        _copy(theirs.gate_conv.att_r, ours.bond_attention.of_target)
        _copy(theirs.gate_conv.bias, ours.bond_attention.bias)
        attentions = [*ours.attentions, ours.molecule_attention]
        for other, own in zip([*theirs.atom_convs, theirs.mol_conv], attentions, strict=True):
            _take_over_attention(other, own)
        units = [ours.unit, *ours.units, ours.molecule_unit]
        for other, own in zip([theirs.gru, *theirs.atom_grus, theirs.mol_gru], units, strict=True):
            _take_over_unit(other, own)
        self.theirs = theirs

    def forward(self, graph: Batch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        return self.theirs(graph.x, graph.edge_index, graph.edge_attr, graph.batch)


def _perceptron(ours: Any) -> nn.Sequential:
    return nn.Sequential(plain(ours.first), nn.ReLU(), plain(ours.second))


def _take_over_perceptrons(convolutions: Any, ours: Any) -> None:
    """Once more, as a convolution draws new weights for the perceptron it is given."""
    for convolution, layer in zip(convolutions, ours.layers, strict=True):
        take_over(convolution.nn, _perceptron(layer))


def _norms(ours: Any) -> nn.ModuleList:
    theirs = nn.ModuleList()
    for norm in ours:
        theirs.append(nn.BatchNorm1d(norm.num_features))
        take_over(theirs[-1], norm)
    return theirs


def _take_over_attention(theirs: Any, ours: Any) -> None:
    take_over(theirs.lin, ours.linear)
    _copy(theirs.att_src, ours.of_source)
    _copy(theirs.att_dst, ours.of_target)
    _copy(theirs.bias, ours.bias)


def _take_over_unit(theirs: Any, ours: Any) -> None:
    _copy(theirs.weight_ih, ours.of_input.weight)
    _copy(theirs.bias_ih, ours.of_input.bias)
    _copy(theirs.weight_hh, ours.of_state.weight)
    _copy(theirs.bias_hh, ours.of_state.bias)


@torch.no_grad()
def _copy(theirs: Any, ours: Any) -> None:
    """Values of `ours`, whose leading lengths of 1 may be missing."""
    theirs.copy_(ours.view(theirs.shape))
