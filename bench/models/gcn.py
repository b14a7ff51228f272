"""The benchmark's graph encoder on plain torch."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import EnvironmentBatch, GraphBatch, LevelBatch
from bench.models._atom_norm import AtomNorm
from bench.models._environment_layer import (
    EnvironmentEncoder,
    layer_by_running_statistics,
    read_out,
)
from bench.models._linear import Linear, is_hooked
from bench.models._plain import is_plain
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
    version=3,
)
class GCN(MoleculeBackbone):
    """Graph convolutions with plain sums, a residual branch, and a gated-sum and maximum read-out.

    Not Kipf and Welling's normalised convolution: ImDrug's encoder adds neighbours without
    weights. Atoms' embeddings are read out as [sum of sigmoid-gated atoms, maximum], then one
    linear layer.

    Atoms with equal environments have equal embeddings, so a batch that knows its environments
    (:mod:`bench.data.environments`) is computed once for each; other batches, such as edited
    graphs, atom by atom. Both ways give the same embeddings and gradients.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : GCNOptions
    """

    options_type = GCNOptions
    by_environment = True

    def __init__(self, num_features: int, options: GCNOptions) -> None:
        super().__init__(num_features, options)
        widths = [num_features] + [options.hidden] * options.layers
        self.layers = nn.ModuleList(GraphLayer(*pair) for pair in pairwise(widths))
        self.gate = nn.Linear(options.hidden, 1)
        self.output = Linear(2 * options.hidden, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        environments = graphs.environments
        if environments is not None and self._compresses(graphs, environments):
            return self.output(self._read_environments(graphs, environments))
        x = graphs.features
        for layer in self.layers:
            x = layer(x, graphs)
        gated = torch.sigmoid(self.gate(x)) * x
        summed = graph_sum(gated, graphs.atom_offsets, graphs.graph_index)
        highest = graph_max(x, graphs.graph_index, graphs.num_graphs)
        return self.output(torch.cat([summed, highest], dim=1))

    def _compresses(self, graphs: GraphBatch, environments: EnvironmentBatch) -> bool:
        """Whether computing by environment is the same thing here; else atoms it is."""
        return (
            len(environments.levels) == len(self.layers)
            and is_plain(graphs.atom_features)
            and self._gate_is_plain()
            and all(isinstance(layer, GraphLayer) and layer.is_plain for layer in self.layers)
            and (
                self._learns_statistics(graphs)
                or (self._uses_running_statistics(graphs) and not self._needs_gradients(graphs))
            )
        )

    def _gate_is_plain(self) -> bool:
        gate = self.gate
        return type(gate) is nn.Linear and gate.bias is not None and not is_hooked(gate)

    def _learns_statistics(self, graphs: GraphBatch) -> bool:
        """Whether every layer normalises by the statistics of the batch."""
        return graphs.num_atoms > 1 and all(layer.norm.training for layer in self._graph_layers())

    def _uses_running_statistics(self, graphs: GraphBatch) -> bool:
        """Whether every layer normalises by the running statistics."""
        return graphs.num_atoms <= 1 or not any(
            layer.norm.training for layer in self._graph_layers()
        )

    def _needs_gradients(self, graphs: GraphBatch) -> bool:
        return torch.is_grad_enabled() and (
            graphs.atom_features.requires_grad
            or any(
                parameter.requires_grad
                for part in (self.layers, self.gate)
                for parameter in part.parameters()
            )
        )

    def _read_environments(self, graphs: GraphBatch, environments: EnvironmentBatch) -> Tensor:
        """What `output` reads, with every distinct environment computed once."""
        x = graphs.atom_features.index_select(0, environments.types)
        if self._learns_statistics(graphs):
            return self._read_and_observe(x, graphs, environments)
        for layer, level in zip(self._graph_layers(), environments.levels, strict=True):
            x = layer.by_running_statistics(x, level)
        gates = torch.sigmoid(self.gate(x))
        return read_out(x, gates, environments, graphs.atom_offsets)

    def _graph_layers(self) -> list[GraphLayer]:
        return [layer for layer in self.layers if isinstance(layer, GraphLayer)]

    def _read_and_observe(
        self, x: Tensor, graphs: GraphBatch, environments: EnvironmentBatch
    ) -> Tensor:
        layers = self._graph_layers()
        read, *moments = EnvironmentEncoder.apply(
            x,
            self.gate.weight,
            self.gate.bias,
            environments,
            graphs.atom_offsets,
            [layer.norm.eps for layer in layers],
            *(parameter for layer in layers for parameter in layer.in_order()),
        )
        for layer, mean, variance in zip(layers, moments[::2], moments[1::2], strict=True):
            layer.norm.observe(mean, variance, graphs.num_atoms)
        return read


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

    @property
    def is_plain(self) -> bool:
        """Whether the parts are as they were made: not replaced, wrapped or hooked."""
        # Read from the dictionary: this runs for every batch, and attributes of modules are slow.
        parts = self._modules
        convolution, residual, norm = parts["convolution"], parts["residual"], parts["norm"]
        return (
            type(convolution) is SumConvolution
            and type(residual) is nn.Linear
            and residual.bias is not None
            and type(norm) is AtomNorm
            and norm.affine
            and norm.momentum is not None
            and norm.running_mean is not None
            and not any(map(is_hooked, (self, convolution, residual, norm)))
        )

    def by_running_statistics(self, x: Tensor, level: LevelBatch) -> Tensor:
        """Features of `level`'s environments as in evaluation, from `x` of those of a hop less.

        Without gradients.
        """
        weight, bias, own_weight, own_bias, *_ = (p.detach() for p in self.in_order())
        return layer_by_running_statistics(
            x, weight, bias, own_weight, own_bias, level, *self.norm.as_scaling()
        )

    def in_order(self) -> tuple[Tensor, ...]:
        """The parameters as functions on environments take them."""
        convolution, residual, norm = self.convolution, self.residual, self.norm
        return (
            convolution.weight,
            convolution.bias,
            residual.weight,
            residual.bias,
            norm.weight,
            norm.bias,
        )


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
